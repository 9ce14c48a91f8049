// npm run demo:ask: a technician asks the box about the machine in front of him. The link is cut; what the box was not
// sure of is answered by the depot's larger library when the link is there again.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelsCommand } from '../bench/models-command.ts';
import { type Manual, readManuals } from './manuals.ts';
import { answerable, conversation, unanswerable } from './questions.ts';
import { playAsking } from './story.ts';
import { describeAnswer, describeLate } from './transcript.ts';

const kept = fileURLToPath(new URL('../../../.skerry/ask', import.meta.url));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  say('A box beside a machine, its manuals, and a link that is cut.');
  say('Fetched once: weights by their digests, manuals by the names of their packages.\n');
  const embedders = { device: 'minilm-l6-int8', depot: 'gte-small' };
  for (const name of Object.values(embedders))
    say((await modelsCommand('embedder', name, '--out', join(kept, name))).trim());
  const manuals = await readManuals(join(kept, 'manuals'));
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  const folder = await mkdtemp(join(tmpdir(), 'skerry-ask-'));
  try {
    return await show(folder, manuals, embedders, abort.signal);
  } catch (thrown) {
    if (!abort.signal.aborted) throw thrown;
    say('\nEnded before its end.');
    return 130;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function show(
  folder: string,
  manuals: readonly Manual[],
  embedders: { readonly device: string; readonly depot: string },
  signal: AbortSignal,
): Promise<number> {
  const story = await playAsking({
    folder,
    manuals,
    embedders: {
      device: join(kept, embedders.device),
      depot: join(kept, embedders.depot),
    },
    questions: [...answerable, ...unanswerable],
    conversation,
    signal,
    onProgress: (text) => say(text),
    onAnswer: (answer) => say(describeAnswer(answer)),
  });
  try {
    const { answers, talk, late } = story;
    const goneOn = talk.at(-1);
    for (const each of late) say(describeLate(each));
    const answered = answers.filter(
      ({ text, question }) => text !== undefined && isAnswerable(question),
    );
    const refused = answers.filter(
      ({ text, question }) => text === undefined && !isAnswerable(question),
    );
    const cited = answers.flatMap(({ citations }) => citations);
    const unsure = answered.filter(({ pending }) => pending !== undefined);
    const better = late.filter(({ text }) => text !== undefined);
    const promises = [
      [
        `${answered.length} of ${answerable.length} answered on the device, the link cut`,
        answered.length >= 7,
      ],
      [
        `${cited.filter(({ verified }) => verified).length} of ${cited.length} citations stand where they are said to`,
        cited.every(({ verified }) => verified),
      ],
      [
        `${refused.length} of ${unanswerable.length} that no manual answers: 'I do not know'`,
        refused.length === unanswerable.length,
      ],
      [
        `a question that says too little by itself was understood by the one before: '${goneOn?.question}'`,
        goneOn?.understoodAs === conversation.join(' ') && goneOn.text !== talk[0]?.text,
      ],
      [
        `${better.length} of ${late.length} it asked about again got an answer of the depot, ${unsure.length} of them with one of its own`,
        better.length > 0 && better.length < late.length,
      ],
      [
        `${better.filter(({ verified }) => verified).length} of ${better.length} answers of the depot verified against the device’s own copy; to ${late.length - better.length} of ${late.length} it had none`,
        better.every(({ verified }) => verified),
      ],
    ] as const;
    say('');
    for (const [text, isKept] of promises) say(`${isKept ? '✓' : '✗'} ${text}`);
    say(next);
    return promises.every(([, isKept]) => isKept) ? 0 : 1;
  } finally {
    await story.close();
  }
}

const next = `
Ask yourself, of what you have:
  node edge-agent/dist/main.js --embedder .skerry/ask/minilm-l6-int8 &
  npx skerry collection add manuals README.md docs
  npx skerry ask 'What happens to a question when the link is cut?'`;

const isAnswerable = (question: string): boolean =>
  (answerable as readonly string[]).includes(question);

process.exitCode = await main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
  return 1;
});
