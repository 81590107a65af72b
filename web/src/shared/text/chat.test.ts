import { describe, expect, it } from 'vitest';
import {
  askedOf,
  continued,
  exampleOf,
  isAsked,
  messagesOf,
  promptOf,
  promptPython,
  saidOf,
} from './chat';

describe('a chat prompt', () => {
  const chat = true;

  it('is the text itself where it is none', () => {
    expect(promptOf({ prompt: '[{"role": "user"}]', chat: false })).toBe('[{"role": "user"}]');
    expect(promptPython({ prompt: 'Say "hi"', chat: false })).toBe('"Say \\"hi\\""');
  });

  it('is what the user says', () => {
    expect(promptOf({ prompt: 'Hello', chat })).toEqual([{ role: 'user', content: 'Hello' }]);
    expect(promptOf({ prompt: '', chat })).toBe('');
  });

  it('is messages where they are typed in JSON, and text where that is none', () => {
    const said = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
    ];
    expect(messagesOf(JSON.stringify(said))).toEqual(said);
    for (const text of ['[1, 2]', '[]', '{"role": "user"}', '[{"role"', '"text"', '[["a"]]'])
      expect(messagesOf(text)).toEqual([{ role: 'user', content: text }]);
  });

  it('goes on as the answer of the model', () => {
    const once = continued({ prompt: 'Hello', chat }, 'I');
    expect(messagesOf(once)).toEqual([
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'I' },
    ]);
    const twice = messagesOf(continued({ prompt: once, chat }, ' am'));
    expect(twice.at(-1)).toEqual({ role: 'assistant', content: 'I am' });
    expect(continued({ prompt: 'Hello', chat: false }, ' there')).toBe('Hello there');
  });

  it('is a list of messages in Python', () => {
    expect(promptPython({ prompt: 'Say "hi"', chat })).toBe(
      '[{"role": "user", "content": "Say \\"hi\\""}]',
    );
  });
});

describe('a source', () => {
  const both = { prompt: 'Das', chat: false, source: 'That is good.' };

  it('goes with the prompt into requests and into Python', () => {
    expect(askedOf(both)).toEqual({ prompt: 'Das', source: 'That is good.' });
    expect(promptPython(both)).toBe('ue.Sourced("That is good.", "Das")');
    expect(promptPython({ ...both, prompt: '' })).toBe('ue.Sourced("That is good.")');
    expect(askedOf({ ...both, source: '' })).toEqual({ prompt: 'Das' });
    expect(promptPython({ ...both, source: '' })).toBe('"Das"');
  });

  it('stands before a prompt that has a second text as little as that before it', () => {
    const two = { prompt: 'It rains.', chat: false, pair: 'It is wet.' };
    expect(askedOf(two)).toEqual({ prompt: 'It rains.', pair: 'It is wet.' });
    expect(askedOf({ ...two, pair: '' })).toEqual({ prompt: 'It rains.' });
    expect(promptPython(two)).toBe('ue.SentencePair("It rains.", "It is wet.")');
    expect(saidOf(two)).toBe('It rains. | It is wet.');
  });

  it('is enough to ask about', () => {
    expect(isAsked({ prompt: '', source: 'a' })).toBe(true);
    expect(isAsked({ prompt: '', source: '' })).toBe(false);
    expect(isAsked({ prompt: 'a' })).toBe(true);
    expect(saidOf(both)).toBe('That is good. → Das');
  });

  it('is what an example is for a model with an encoder', () => {
    expect(exampleOf('a', { has_encoder: true })).toEqual({ source: 'a' });
    expect(exampleOf('a', { has_encoder: false })).toEqual({ prompt: 'a' });
  });
});
