// What the library's caches do, as Prometheus hears of it: read when it asks.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { LibraryCaches } from '../retrieve/cache/caches.ts';

export type WatchedCaches = Pick<LibraryCaches, 'vectors'> & {
  readonly answers: Pick<LibraryCaches['answers'], 'figures'>;
};

export function watchCaches({ answers, vectors }: WatchedCaches, registry: Registry): void {
  const registers = [registry];
  /** Undefined while the file cannot be read: then nothing is said. */
  const read = () => {
    const figures = answers.figures();
    return figures.ok ? figures.value : undefined;
  };
  new Counter({
    name: 'skerry_library_answers_total',
    help: 'Questions to the library, by the cache that had their answer; missed: none',
    labelNames: ['cache'],
    registers,
    collect() {
      this.reset();
      for (const [cache, count] of Object.entries(read()?.served ?? {})) this.inc({ cache }, count);
    },
  });
  new Counter({
    name: 'skerry_library_vectors_total',
    help: 'Vectors of questions and sentences, by whether they were remembered',
    labelNames: ['remembered'],
    registers,
    collect() {
      this.reset();
      const { hits = 0, misses = 0 } = vectors?.figures() ?? {};
      this.inc({ remembered: 'true' }, hits);
      this.inc({ remembered: 'false' }, misses);
    },
  });
  new Gauge({
    name: 'skerry_cache_entries',
    help: 'Answers and vectors that are remembered',
    labelNames: ['cache'],
    registers,
    collect() {
      const { asked = 0, pushed = 0 } = read() ?? {};
      this.set({ cache: 'asked' }, asked);
      this.set({ cache: 'pushed' }, pushed);
      this.set({ cache: 'vectors' }, vectors?.figures().entries ?? 0);
    },
  });
  new Gauge({
    name: 'skerry_semantic_wrong_share',
    help: 'Of the look-alikes that were computed all the same, those with another answer, and its exact bounds',
    labelNames: ['bound'],
    registers,
    collect() {
      this.reset();
      const semantic = read()?.semantic;
      if (semantic === undefined) return;
      this.set({ bound: 'measured' }, semantic.share);
      this.set({ bound: 'lower' }, semantic.lower);
      this.set({ bound: 'upper' }, semantic.upper);
    },
  });
  new Gauge({
    name: 'skerry_semantic_enabled',
    help: '1 while look-alikes are answered from the cache',
    registers,
    collect() {
      const semantic = read()?.semantic;
      this.set(Number(semantic !== undefined && semantic.disabled === undefined));
    },
  });
}
