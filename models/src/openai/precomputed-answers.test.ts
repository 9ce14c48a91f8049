import { expect, it } from 'vitest';
import { textServerContract } from '../testing/text-server-contract.ts';
import { createPrecomputedAnswers } from './precomputed-answers.ts';

const open = (file: unknown) => {
  const bytes = new TextEncoder().encode(JSON.stringify(file));
  const answers = createPrecomputedAnswers('answers', bytes, { nowMs: () => 5_000 });
  if (!answers.ok) throw new Error(answers.error.message);
  return answers.value;
};
const echo = (text: string) => ({ question: text, answer: text });

textServerContract(
  'pre-computed',
  async () => ({ server: open({ answers: [echo('what is a skerry'), echo('a')] }) }),
  { refusesOthers: false },
);

it('a question is spelled alike whatever its case, spaces and marks, and is the last one', async () => {
  const server = open({ answers: [{ question: 'What is a skerry?', answer: 'a rock' }] });
  const messages = [
    { role: 'user', content: 'Hello.' },
    { role: 'assistant', content: 'Hello.' },
    { role: 'user', content: [{ type: 'text', text: ' what IS a\nskerry' }] },
  ];
  expect(await server.chat({ model: 'm', messages }, { leftMs: 1 })).toMatchObject({
    value: { completion: { created: 5, choices: [{ message: { content: 'a rock' } }] } },
  });
});

it('what nobody has written down is not found, or answered by `otherwise`', async () => {
  const asked = { model: 'm', messages: [{ role: 'user', content: 'b' }] };
  expect(await open({ answers: [] }).chat(asked, { leftMs: 1 })).toMatchObject({
    error: { code: 'not_found' },
  });
  expect(await open({ answers: [], otherwise: 'later' }).chat(asked, { leftMs: 1 })).toMatchObject({
    value: { completion: { choices: [{ message: { content: 'later' } }] } },
  });
});

it('a file that is none is refused', () => {
  const read = (text: string) =>
    createPrecomputedAnswers('answers', new TextEncoder().encode(text), { nowMs: () => 0 });
  for (const text of ['{', '[]', '{"answers":[{"question":""}]}'])
    expect(read(text)).toMatchObject({ error: { code: 'invalid_config' } });
});
