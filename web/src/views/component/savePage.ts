/** The page of a component as a file that stands alone. */
import { answer, api, type Schemas } from '../../shared/api/client';
import { saveFile } from '../../draw/saving';
import { notify } from '../../shared/state/store';

export function savePage(node: string, asked: Schemas['ComponentRequest']): void {
  const found = answer(api.POST('/api/component/page', { body: asked, parseAs: 'blob' }));
  found.then(
    (page) => saveFile(`${node}.html`, new Blob([page as unknown as Blob], { type: 'text/html' })),
    (error: Error) => notify(`The page was not made: ${error.message}`),
  );
}
