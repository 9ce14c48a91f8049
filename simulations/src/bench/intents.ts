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

export type Sentence = readonly [text: string, intent: string];

export interface Intents {
  /** Of each intent the sentences at `from` up to `to`, in the file's order. */
  some(part: 'train' | 'test', from: number, to: number): readonly Sentence[];
  readonly test: readonly Sentence[];
  readonly outOfScope: readonly string[];
}

export const intentsFile = (): string | undefined => sharedData('intents/clinc150.json');

/** Throws where the file is not there. */
export async function readIntents(): Promise<Intents> {
  const data = fileSchema.parse(JSON.parse(await readFile(intentsFile() ?? '', 'utf8')));
  return {
    some(part, from, to) {
      const counts = new Map<string, number>();
      return data[part].filter(([, intent]) => {
        const place = counts.get(intent) ?? 0;
        counts.set(intent, place + 1);
        return place >= from && place < to;
      });
    },
    test: data.test,
    outOfScope: data.oos_test.map(([text]) => text),
  };
}

/** An intent is the nearest mean of the sentences of it that are known; all vectors are of length 1. */
export function nearestIntent(
  known: readonly { readonly intent: string; readonly vector: Float32Array }[],
): (vector: Float32Array) => { readonly intent: string; readonly cosine: number } {
  const sums = new Map<string, Float32Array>();
  for (const { intent, vector } of known) {
    const sum = sums.get(intent) ?? new Float32Array(vector.length);
    sums.set(
      intent,
      sum.map((value, d) => value + (vector[d] as number)),
    );
  }
  const centres = [...sums].map(([intent, sum]) => {
    const length = Math.hypot(...sum);
    return { intent, centre: sum.map((value) => value / length) };
  });
  return (vector) =>
    centres
      .map(({ intent, centre }) => ({ intent, cosine: dot(vector, centre) }))
      .reduce((a, b) => (b.cosine > a.cosine ? b : a));
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (const [d, value] of a.entries()) sum += value * (b[d] as number);
  return sum;
}

/** Vectors that lie one after the other. */
export const rowsOf = (all: Float32Array, dimensions: number): readonly Float32Array[] =>
  Array.from({ length: all.length / dimensions }, (_, i) =>
    all.subarray(i * dimensions, (i + 1) * dimensions),
  );
