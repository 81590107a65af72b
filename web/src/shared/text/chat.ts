/** A prompt as it is sent: the text itself, or messages that the model's chat template joins. */
import { quote } from './options';

export interface Message {
  role: string;
  content: string;
}

export interface Prompted {
  prompt: string;
  /** The prompt is what the user says, or messages in JSON. */
  chat: boolean;
  /** What the encoder of an encoder-decoder reads; the prompt is then its decoder's. */
  source?: string;
  /** The second text of a sentence pair; the prompt is the first. */
  pair?: string;
}

/** What a request gives to the model. */
export interface Asked {
  prompt: string | Message[];
  source?: string;
  pair?: string;
}

export function askedOf(prompted: Prompted): Asked {
  const { source, pair } = prompted;
  return {
    prompt: promptOf(prompted),
    ...(source ? { source } : {}),
    ...(pair ? { pair } : {}),
  };
}

/** Whether there is anything to ask about: an encoder-decoder can do without a prompt. */
export function isAsked({ prompt, source }: { prompt: string; source?: string }): boolean {
  return prompt !== '' || Boolean(source);
}

/** What is asked about, for people: source and prompt, or both texts of a pair. */
export function saidOf({ prompt, source, pair }: Omit<Prompted, 'chat'>): string {
  const own = [prompt.trim(), pair?.trim()].filter(Boolean).join(' | ');
  return [source?.trim(), own].filter(Boolean).join(' → ');
}

/** An example as what this model reads. */
export function exampleOf(
  example: string,
  model: { has_encoder: boolean } | null,
): { prompt?: string; source?: string } {
  return model?.has_encoder ? { source: example } : { prompt: example };
}

export function promptOf({ prompt, chat }: Prompted): string | Message[] {
  return chat && prompt !== '' ? messagesOf(prompt) : prompt;
}

/** Messages in JSON, or text, which is then the user's one message. */
export function messagesOf(text: string): Message[] {
  return listed(text) ?? [{ role: 'user', content: text }];
}

function listed(text: string): Message[] | null {
  try {
    const read: unknown = JSON.parse(text);
    const good =
      Array.isArray(read) &&
      read.length > 0 &&
      read.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
    return good ? (read as Message[]) : null;
  } catch {
    return null;
  }
}

/** The prompt with a continuation: of a chat, the model's answer as far as it got. */
export function continued(prompted: Prompted, text: string): string {
  if (!prompted.chat) return prompted.prompt + text;
  const messages = messagesOf(prompted.prompt);
  const last = messages.at(-1);
  const begun = last?.role === 'assistant' ? last.content : '';
  const before = last?.role === 'assistant' ? messages.slice(0, -1) : messages;
  return JSON.stringify([...before, { role: 'assistant', content: begun + text }]);
}

export function promptPython(prompted: Prompted): string {
  const prompt = textPython(promptOf(prompted));
  const { source, pair } = prompted;
  if (pair) return `ue.SentencePair(${prompt}, ${quote(pair)})`;
  if (!source) return prompt;
  return `ue.Sourced(${quote(source)}${prompted.prompt === '' ? '' : `, ${prompt}`})`;
}

function textPython(prompt: string | Message[]): string {
  if (typeof prompt === 'string') return quote(prompt);
  const said = prompt.map(
    ({ role, content }) => `{"role": ${quote(role)}, "content": ${quote(content)}}`,
  );
  return `[${said.join(', ')}]`;
}
