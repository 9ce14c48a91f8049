import type { Manifest } from '@skerry/models';
import { readBundle, zooDirectory } from '@skerry/models/node';
import { defined } from '@skerry/shared';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Fit, fit, fitLanguageModel } from './fit.ts';
import { parseTarget, type Target } from './target.ts';
import { targets } from './targets.ts';

const target = defined(targets[0], 'a target');
let digits: Manifest;
let variant: string;

beforeAll(async () => {
  const bundle = await readBundle(`${zooDirectory}/digits`, []);
  if (!bundle.ok) throw new Error(bundle.error.message);
  digits = bundle.value.manifest;
  variant = bundle.value.variant.name;
});

const withBudget = (budget: Partial<Target['budget']>): Target => ({
  ...target,
  budget: { ...target.budget, ...budget },
});

const codesOf = (verdict: Fit): string[] =>
  verdict.fits ? [] : verdict.reasons.map(({ code }) => code);

describe('fit', () => {
  it.each(targets)('finds room for the digits on $name', (shipped) => {
    const [provider] = shipped.executionProviders;
    expect(fit(digits, variant, shipped)).toMatchObject({ fits: true, provider });
  });

  it('counts the edge stages’ files twice on disk, and no cloud stage', () => {
    const verdict = fit(digits, variant, target);
    const edgeBytes = defined(digits.variants[0]?.files['edge'], 'the edge file').bytes;
    expect(verdict.fits && verdict.needs.diskBytes).toBe(2 * edgeBytes);
  });

  it('estimates memory by the formula it states', () => {
    const verdict = fit(digits, variant, { ...target, agent: { inferQueueMax: 10 } });
    const edgeBytes = defined(digits.variants[0]?.files['edge'], 'the edge file').bytes;
    const borderBytes = 28 * 28 + 4 * 10 + 8 * 7 * 7;
    const needed = 5 * edgeBytes + 32 * borderBytes + 2 * 10 * 28 * 28;
    expect(verdict.fits && verdict.needs.memoryBytes).toBe(needed);
  });

  it('does not hold an unknown amount of computing against a bundle', () => {
    const uncounted = { ...digits, card: { ...digits.card, metrics: {} } };
    expect(fit(uncounted, variant, target)).toMatchObject({
      fits: true,
      needs: { latencyMs: undefined },
    });
  });

  it('takes the first execution provider that a runtime drives', () => {
    const jetson: Target = { ...target, executionProviders: ['tensorrt', 'cuda', 'cpu'] };
    expect(fit(digits, variant, jetson)).toMatchObject({ fits: true, provider: 'cpu' });
    const told = parseTarget({ ...jetson, agent: { executionProviders: 'webgpu,cuda,cpu' } });
    expect(told.ok && fit(digits, variant, told.value)).toMatchObject({ provider: 'cuda' });
  });
});

describe('a language model', () => {
  const mebibyte = 1024 ** 2;
  const of = (memoryMebibytes: number) => ({
    ...({ schema: 'skerry.language-model/1', name: 'tiny', license: 'MIT' } as const),
    model: { path: 'm.gguf', sha256: `sha256:${'0'.repeat(64)}`, bytes: 300 * mebibyte },
    ...{ contextTokens: 2_048, answerTokensMax: 256, memoryBytes: memoryMebibytes * mebibyte },
  });

  it('fits where its file, once, and its memory do', () => {
    const budget = { memoryBytes: 500 * mebibyte, diskBytes: 300 * mebibyte };
    expect(fitLanguageModel(of(500), withBudget(budget))).toMatchObject({ fits: true });
    expect(codesOf(fitLanguageModel(of(501), withBudget(budget)))).toEqual(['memory']);
    const small = { ...budget, diskBytes: 299 * mebibyte };
    expect(codesOf(fitLanguageModel(of(500), withBudget(small)))).toEqual(['disk']);
    expect(
      codesOf(fitLanguageModel(of(500), { ...target, executionProviders: ['wasm'] })),
    ).toContain('execution-provider');
  });
});

describe('fit says no', () => {
  it('to a variant that the bundle does not have', () => {
    expect(codesOf(fit(digits, 'int2', target))).toEqual(['unknown-variant']);
  });

  it('to a bundle without a stage for the device', () => {
    const stages = digits.stages.map((stage) => ({ ...stage, side: 'cloud' as const }));
    expect(codesOf(fit({ ...digits, stages }, variant, target))).toEqual(['no-edge-stage']);
  });

  it.each([
    ['execution-provider', { ...target, executionProviders: ['cuda'] }],
    ['datatype', { ...target, datatypes: ['FP32'] }],
    ['disk', withBudget({ diskBytes: 1000 })],
    ['memory', withBudget({ memoryBytes: 1000 })],
    ['latency', { ...target, macsPerSecond: 1000 }],
  ] satisfies [string, Target][])('where the %s does not do', (code, changed) => {
    expect(codesOf(fit(digits, variant, changed))).toEqual([code]);
  });

  it('with every reason, not only the first', () => {
    const toaster = {
      ...withBudget({ diskBytes: 1, memoryBytes: 1, latencyMs: 1e-6 }),
      executionProviders: ['webgpu'],
      datatypes: ['INT8'],
    } satisfies Target;
    expect(codesOf(fit(digits, variant, toaster))).toEqual([
      'execution-provider',
      'datatype',
      'datatype',
      'disk',
      'memory',
      'latency',
    ]);
  });
});
