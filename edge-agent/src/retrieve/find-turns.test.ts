import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { findTurns } from './find-turns.ts';

/** Sentences about something: its direction, and a little of their own. */
function sentencesAbout(topics: readonly number[], noise = 0.3): readonly Float32Array[] {
  const random = createRandom(11);
  return topics.map((topic) =>
    Float32Array.from({ length: 16 }, (_, d) => (d === topic ? 1 : 0) + noise * random.gaussian()),
  );
}
const run = (topic: number, count: number): readonly number[] => Array(count).fill(topic);

describe('the turns of a text', () => {
  it('[LIB56] are where what follows is about something else than what came before', () => {
    const topics = [...run(0, 8), ...run(1, 10), ...run(2, 7)];
    expect(findTurns(sentencesAbout(topics, 0.03))).toEqual(new Set([7, 17]));
  });

  it('[LIB56] are none where all is about the same, and of no text', () => {
    expect(findTurns(sentencesAbout(run(3, 20), 0))).toEqual(new Set());
    expect(findTurns(sentencesAbout([1]))).toEqual(new Set());
    expect(findTurns([])).toEqual(new Set());
    // Of what has no meaning to its embedder.
    expect(
      findTurns(sentencesAbout([], 0).concat(new Float32Array(4), new Float32Array(4))),
    ).toEqual(new Set());
  });
});
