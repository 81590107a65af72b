/** What is wrong with an edit: whatever the model, and of this one; said before it is sent. */
import {
  checkTarget,
  flowMisfit,
  kindOf,
  parseTarget,
  type Dimensions,
  type Target,
} from './address';
import {
  fitsKind,
  forNeurons,
  operationWords,
  RULES,
  takesPairs,
  takesValue,
  type Edit,
} from './edits';

export interface EditModel extends Dimensions {
  d_model: number;
  d_head: number;
}

export interface EditProblem {
  field: 'target' | 'value' | 'positions' | 'stage' | 'sign' | 'source' | 'pairs';
  message: string;
}

/** What does not fit the operation, whatever the model. */
export function partsProblem(made: Edit): EditProblem | null {
  const { operation, value, positions, source } = made;
  const rule = RULES[operation];
  const said = operationWords(operation);
  const problem = (field: EditProblem['field'], message: string) => ({ field, message });
  const target = parseTarget(made.target);
  if (forNeurons(operation) && target?.kind !== 'neuron')
    return problem('target', 'Only a neuron can be switched on, as in L12.N512.');
  if (rule.takes === 'source' && !source?.prompt && !source?.source)
    return problem('source', 'A patch needs the prompt that it takes the activation from.');
  if (source?.take === 'drawn' && source.positions)
    return problem('source', 'What is drawn is drawn from all positions: leave them empty.');
  if (rule.takes !== 'source' && source)
    return problem('source', `“${said}” takes nothing from another prompt.`);
  if (!takesValue(operation) && value !== null)
    return problem('value', `“${said}” takes no value.`);
  if (takesValue(operation) && value === null)
    return problem('value', 'This operation needs a value.');
  if (rule.takes === 'number' && Array.isArray(value))
    return problem('value', 'A factor is one number.');
  if (!rule.stage && made.stage !== 'post')
    return problem('stage', `“${said}” says itself where it acts.`);
  if (target && !kindOf(target.kind).stages.includes(made.stage))
    return problem('stage', 'Only a neuron has something before its activation.');
  if (!rule.sign && made.sign !== 1) return problem('sign', `“${said}” has no sign.`);
  if (rule.places === 'one' && positions !== null && positions.length !== 1)
    return problem('positions', `“${said}” acts at one position.`);
  if (rule.places === 'named' && !positions?.length && !made.target.includes('@'))
    return problem('positions', 'Say which tokens: 3-5, 9 or -1.');
  if (rule.places === 'none' && positions !== null)
    return problem('positions', 'The pairs say where.');
  const pairsWrong = pairsProblem(made, target);
  if (pairsWrong) return pairsWrong;
  if (operation !== 'cut' && positions !== null && made.target.includes('@'))
    return problem('positions', 'The name says the position already.');
  return null;
}

/** Whether pairs are named in one way of three, of what has a pattern; or tokens masked. */
function pairsProblem(made: Edit, target: Target | null): EditProblem | null {
  if (made.operation === 'mask' && target && target.kind !== 'embed')
    return { field: 'target', message: 'Tokens are masked, whose name is embed.' };
  const named = [made.pairs, made.between].filter((one) => one !== null).length;
  const isPair = made.target.includes('<');
  if (!takesPairs(made.operation))
    return named > 0 || made.renormalise
      ? { field: 'pairs', message: `“${operationWords(made.operation)}” takes no pairs.` }
      : null;
  const attends = target?.kind === 'site' ? /pattern$/.test(target.site) : true;
  const fits = target === null || target.kind === 'site' || fitsKind('knock_out', target.kind);
  if (!attends || !fits || (made.target.includes('@') && !isPair))
    return { field: 'target', message: 'Only a head, attention of a layer or a pair has pairs.' };
  if (named + Number(isPair) !== 1)
    return {
      field: 'pairs',
      message: named + Number(isPair) === 0 ? 'Say which pairs: 14<3, 15<3.' : 'Name pairs once.',
    };
  return null;
}

/** What the model would refuse about an edit, before it is sent. */
export function editProblem(made: Edit, model: EditModel): EditProblem | null {
  if (made.operation === 'cut') {
    const problem = flowMisfit(made.target, model);
    return problem === null ? partsProblem(made) : { field: 'target', message: problem };
  }
  const checked = checkTarget(made.target, model);
  if ('problem' in checked) return { field: 'target', message: checked.problem };
  const problem = partsProblem(made) ?? maskProblem(made, model);
  if (problem) return problem;
  if (Array.isArray(made.value)) {
    const width =
      checked.target.kind === 'head' || checked.target.kind === 'cross_head'
        ? model.d_head
        : checked.target.kind === 'neuron' || checked.target.kind === 'latent'
          ? 1
          : model.d_model;
    if (made.value.length !== width) {
      return {
        field: 'value',
        message: `One number, or ${width} of them: this list has ${made.value.length}.`,
      };
    }
  }
  return null;
}

function maskProblem(made: Edit, model: EditModel): EditProblem | null {
  if (made.operation !== 'mask') return null;
  const able = model.capabilities?.find((capability) => capability.name === 'mask');
  if (able?.available) return null;
  return {
    field: 'target',
    message: `No token can be masked: ${able?.reason ?? 'see the model'}.`,
  };
}
