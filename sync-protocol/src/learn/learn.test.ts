import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../codec.ts';
import {
  sampleExchange,
  sampleLearnPlan,
  sampleLearnReply,
  sampleLearnTask,
  sampleReply,
} from '../testing/samples.ts';
import type { LearnReply, LearnTask } from './messages.ts';
import {
  layoutSize,
  type ParameterLayout,
  parameterLayoutSchema,
  readVector,
  sameLayout,
  tensorsOf,
  vectorBytes,
  vectorOf,
} from './parameter-layout.ts';
import { type LearnPlan, learnPlanBytes, learnPlanVersionOf, readLearnPlan } from './plan.ts';
import {
  cellsOf,
  planVersionsKnown,
  type QueryPlan,
  type Question,
  queryPlanBytes,
  queryPlanVersionOf,
  readQueryPlan,
} from './query-plan.ts';

const layout: ParameterLayout = {
  tensors: [
    { name: 'weight', shape: [2, 3] },
    { name: 'bias', shape: [2] },
    { name: 'scale', shape: [] },
  ],
};

const plan = sampleLearnPlan({
  network: { kind: 'named', name: 'digits' },
  layout,
  batch: 10,
  learningRate: 0.1,
  examplesMin: 10,
  examplesMax: 600,
  holdOut: 0.2,
});

describe('a parameter layout', () => {
  it('[LRN1] is one vector and its tensors, in order', () => {
    expect(layoutSize(layout)).toBe(9);
    const vector = Float32Array.from({ length: 9 }, (_, i) => i);
    const tensors = tensorsOf(layout, vector);
    expect(tensors.ok && [...tensors.value].map(([name, v]) => [name, [...v]])).toEqual([
      ['weight', [0, 1, 2, 3, 4, 5]],
      ['bias', [6, 7]],
      ['scale', [8]],
    ]);
    expect(tensors.ok && vectorOf(layout, tensors.value)).toEqual({ ok: true, value: vector });
  });

  it('[LRN1] refuses another length, a missing tensor, a name twice and a vector too long', () => {
    expect(tensorsOf(layout, new Float32Array(8))).toMatchObject({ ok: false });
    const some = new Map([['weight', new Float32Array(6)]]);
    expect(vectorOf(layout, some)).toMatchObject({ ok: false });
    const [weight] = layout.tensors;
    expect(parameterLayoutSchema.safeParse({ tensors: [weight, weight] }).success).toBe(false);
    const long = { tensors: [{ name: 'w', shape: [67_108_864, 2] }] };
    expect(parameterLayoutSchema.safeParse(long).success).toBe(false);
    expect(sameLayout(layout, structuredClone(layout))).toBe(true);
    expect(sameLayout(layout, { tensors: layout.tensors.slice(1) })).toBe(false);
  });

  it('[LRN1] a vector travels as float32, and what is not finite is refused', () => {
    const vector = Float32Array.of(0.1, -2, 3e38);
    expect(readVector(vectorBytes(vector), 3)).toEqual({ ok: true, value: vector });
    expect(readVector(vectorBytes(vector), 4)).toMatchObject({ ok: false });
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(readVector(vectorBytes(Float32Array.of(1, bad)), 2)).toMatchObject({ ok: false });
  });
});

describe('a learning plan', () => {
  it('[LRN2] is read as it was written', () => {
    expect(readLearnPlan(learnPlanBytes(plan))).toEqual({ ok: true, value: plan });
  });

  it('[LRN2] is of the oldest version that can say it', () => {
    const digest = `sha256:${'b'.repeat(64)}`;
    const graph: LearnPlan['network'] = { kind: 'bundle', variant: 'fp32', digest };
    expect(learnPlanVersionOf(plan)).toBe(1);
    expect(learnPlanVersionOf({ network: graph, trains: 'all' })).toBe(2);
    expect(learnPlanVersionOf({ ...plan, trains: 'head' })).toBe(2);
    const ofGraph: LearnPlan = { ...plan, version: 2, network: graph, trains: 'head' };
    expect(readLearnPlan(learnPlanBytes(ofGraph))).toEqual({ ok: true, value: ofGraph });
  });

  it('[LRN2] of a later version is told apart from one that is broken', () => {
    const later = learnPlanBytes({ ...plan, version: 3, words: 'new' } as unknown as LearnPlan);
    expect(readLearnPlan(later)).toMatchObject({ error: { code: 'unsupported_version' } });
    for (const broken of [
      { ...plan, epochs: 0 },
      { ...plan, more: 1 },
      { ...plan, batch: 1.5 },
    ])
      expect(readLearnPlan(learnPlanBytes(broken as LearnPlan))).toMatchObject({
        error: { code: 'malformed_message' },
      });
  });
});

describe('a query', () => {
  const query: QueryPlan = {
    version: 3,
    model: 'digits',
    base: plan.base,
    question: { kind: 'labels', labels: ['0', '1'] },
    examplesMax: 100,
    seed: 1,
  };
  const read = (more: object) =>
    readQueryPlan(new TextEncoder().encode(JSON.stringify({ ...query, ...more })));

  it('[LRN2] is read as it was written, and is of the oldest version that can say it', () => {
    expect(readQueryPlan(queryPlanBytes(query))).toEqual({ ok: true, value: query });
    const inputs: Question = { kind: 'inputs', measure: 'mean', from: 0, to: 1, bins: 8 };
    expect([query.question, inputs].map(queryPlanVersionOf)).toEqual([3, 4]);
    expect(planVersionsKnown).toEqual([1, 2, 3, 4]);
    expect([query.question, inputs].map(cellsOf)).toEqual([2, 8]);
  });

  it('[LRN2] of a later version, or a learning plan, is told apart from one that is broken', () => {
    for (const version of [1, 5])
      expect(read({ version })).toMatchObject({ error: { code: 'unsupported_version' } });
    for (const broken of [
      { question: { kind: 'labels', labels: ['0', '0'] } },
      { question: { kind: 'labels', labels: Array.from({ length: 65 }, (_, i) => `${i}`) } },
      { question: { kind: 'inputs', measure: 'mean', from: 1, to: 1, bins: 8 } },
      { question: { kind: 'inputs', measure: 'mean', from: 0, to: 1, bins: 65 } },
      { examplesMax: 0 },
      { more: 1 },
    ])
      expect(read(broken)).toMatchObject({ error: { code: 'malformed_message' } });
  });
});

describe('tasks and replies', () => {
  const ref = { digest: `sha256:${'b'.repeat(64)}`, bytes: 36 };
  const works: LearnTask['work'][] = [
    { type: 'train', plan: learnPlanBytes(plan), parameters: ref, control: ref },
    { type: 'evaluate', plan: learnPlanBytes(plan), parameters: ref },
    { type: 'query', plan: learnPlanBytes(plan), question: 'labels' },
    { type: 'secure', stage: 'shares', payload: Uint8Array.of(1, 2) },
    { type: 'secure', stage: 'input', payload: ref },
    { type: 'end', reason: 'the run has ended' },
  ];
  const results: LearnReply['result'][] = [
    { type: 'trained', examples: 5, steps: 1, completed: 0.5, update: ref, metrics: { loss: 1 } },
    { type: 'evaluated', examples: 5, metrics: { accuracy: 0.9 } },
    { type: 'queried', examples: 5, values: { 'label-0': 5 } },
    { type: 'secure', stage: 'unmask', payload: Uint8Array.of(3) },
    { type: 'declined', reason: 'too-few-examples' },
    { type: 'failed', code: 'internal', message: 'the trainer failed' },
  ];

  it('[LRN3] each kind comes out of the codec as it went in', () => {
    for (const work of works) {
      const ops = [{ position: 1, atMs: 0, body: sampleLearnTask({ work }) }];
      const bytes = encodeMessage(sampleReply({ ops }));
      expect(bytes.ok && decodeMessage(bytes.value)).toMatchObject({ value: { ops } });
    }
    for (const result of results) {
      const ops = [{ seq: 1, atMs: 0, body: sampleLearnReply({ result }) }];
      const bytes = encodeMessage(sampleExchange({ ops }));
      expect(bytes.ok && decodeMessage(bytes.value)).toMatchObject({ value: { ops } });
    }
  });

  it('[LRN3] what has no bound is refused', () => {
    const metrics = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`m${i}`, i]));
    const result = { type: 'evaluated' as const, examples: 1, metrics };
    const ops = [{ seq: 1, atMs: 0, body: sampleLearnReply({ result }) }];
    expect(encodeMessage(sampleExchange({ ops }))).toMatchObject({ ok: false });
    const work = {
      type: 'secure' as const,
      stage: 'keys' as const,
      payload: new Uint8Array(49_153),
    };
    const body = sampleLearnTask({ work });
    expect(encodeMessage(sampleReply({ ops: [{ position: 1, atMs: 0, body }] }))).toMatchObject({
      ok: false,
    });
  });
});
