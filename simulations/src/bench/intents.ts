// CLINC150 (Larson et al., EMNLP 2019): 150 intents, and sentences that are of none of them.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { sharedData } from './shared-data.ts';

const sentencesSchema = z.array(z.tuple([z.string(), z.string()]));
const fileSchema = z.object({
  train: sentencesSchema,
  test: sentencesSchema,
  oos_test: sentencesSchema,
});

export interface Intents {
  /** Of each intent the first few sentences. */
  readonly train: ReadonlyMap<string, readonly string[]>;
  readonly test: readonly { readonly text: string; readonly intent: string }[];
  readonly outOfScope: readonly string[];
}

export const intentsFile = (): string | undefined => sharedData('intents/clinc150.json');

/** Throws where the file is not there. */
export async function readIntents(shots: number): Promise<Intents> {
  const { train, test, oos_test } = fileSchema.parse(
    JSON.parse(await readFile(intentsFile() ?? '', 'utf8')),
  );
  const known = new Map<string, string[]>();
  for (const [text, intent] of train) {
    const texts = known.get(intent) ?? [];
    if (texts.length < shots) known.set(intent, [...texts, text]);
  }
  return {
    train: known,
    test: test.map(([text, intent]) => ({ text, intent })),
    outOfScope: oos_test.map(([text]) => text),
  };
}
