import { assert } from '@skerry/shared';
import * as real from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import type { TensorMap } from '../tensor.ts';
import { type ExecutionProvider, executionProperties } from './execution-provider.ts';
import { openOnProviders } from './open-on-providers.ts';
import type { InnerSession, Ort } from './ort-session.ts';

/** y = 2x */
function double(): Uint8Array {
  const graph = createGraphBuilder('double');
  const x = graph.input('x', 'FP32', [-1]);
  graph.output(graph.add('Add', [x, x], {}, 'y'), 'FP32', [-1]);
  return encodeModel(graph.build());
}
const feeds = (...data: number[]): TensorMap => ({
  x: { datatype: 'FP32', shape: [data.length], data: Float32Array.from(data) },
});

interface Fake {
  /** Of the providers beside the cpu. */
  readonly opens?: readonly string[];
  /** Multiplies what they give. */
  readonly off?: number;
  /** What a run takes, by the clock. */
  readonly ms?: number;
  /** Runs of theirs that succeed. */
  readonly runsMax?: number;
  /** A number that breaks any run, on the cpu as well. */
  readonly breaks?: number;
  /** What they hold they cannot be made to give back. */
  readonly sticks?: boolean;
}

/** Providers that compute on the cpu, and are off, or break, as they are told. */
function fakeOrt({
  opens = ['webgpu', 'cuda'],
  off = 1,
  ms = 1,
  runsMax = Infinity,
  breaks,
  sticks = false,
}: Fake) {
  const open: string[] = [];
  /** Rows of each run, by provider. */
  const ran: [string, number][] = [];
  let nowMs = 0;
  const ort: Ort = {
    Tensor: real.Tensor,
    InferenceSession: {
      async create(model, options) {
        const provider = String(options.executionProviders?.[0]);
        if (provider !== 'cpu' && !opens.includes(provider))
          throw new Error(`/src/a.cc:1 open() x was false. no ${provider} here`);
        const onCpu = { ...options, executionProviders: ['cpu'] };
        const inner = await real.InferenceSession.create(model, onCpu);
        open.push(provider);
        let runs = 0;
        const session: InnerSession = {
          inputMetadata: inner.inputMetadata,
          outputMetadata: inner.outputMetadata,
          async run(given) {
            const { data: x } = given['x'] as real.Tensor;
            ran.push([provider, x.length]);
            if (x[0] === breaks) throw new Error('it divides by nought');
            nowMs += provider === 'webgpu' ? ms : 2;
            if (provider === 'cpu') return inner.run(given);
            if (++runs > runsMax) throw new Error('the device is lost');
            const results = await inner.run(given);
            const data = results['y']?.data as Float32Array;
            for (const [i, value] of data.entries()) data[i] = value * off;
            return results;
          },
          async release() {
            if (sticks && provider !== 'cpu') throw new Error('another holds the device');
            open.splice(open.indexOf(provider), 1);
            await inner.release();
          },
        };
        return session;
      },
    },
  };
  return { ort, open, ran, nowMs: () => nowMs };
}

async function openFake(
  fake: Fake,
  providers: readonly ExecutionProvider[] = ['webgpu', 'cuda', 'cpu'],
) {
  const { ort, open, ran, nowMs } = fakeOrt(fake);
  const left: string[] = [];
  const options = { samples: [feeds(1, -3)] };
  const session = await openOnProviders(ort, double(), providers, options, {
    nowMs,
    onLeft: ({ provider }) => left.push(provider),
  });
  assert(session.ok, 'the session opens');
  return { session: session.value, open, ran, left };
}

describe('a session on one of several execution providers', () => {
  it('[PRV1] runs on the first that opens here, says why the others do not, and keeps no other open', async () => {
    const { session, open } = await openFake({ opens: ['cuda'] });
    expect(session.execution()).toEqual({
      provider: 'cuda',
      refused: [{ provider: 'webgpu', reason: 'no webgpu here' }],
      difference: 0,
    });
    expect(open).toEqual(['cuda']);
    expect(await session.run(feeds(4))).toMatchObject({
      value: { y: { data: Float32Array.of(8) } },
    });
    await session.close();
    expect(open).toEqual([]);
  });

  it('[PRV1] runs on the cpu where none opens, and bytes that the cpu refuses are no model', async () => {
    const { session, open } = await openFake({ opens: [] });
    expect(session.execution()).toMatchObject({ provider: 'cpu', refused: [{}, {}] });
    expect(open).toEqual(['cpu']);
    const bad = await openOnProviders(fakeOrt({}).ort, Uint8Array.of(1), ['webgpu', 'cpu']);
    expect(bad).toMatchObject({ error: { code: 'invalid_bundle' } });
  });

  it('[PRV2] is not trusted to one that computes otherwise than the cpu, by more than rounding', async () => {
    const near = await openFake({ off: 1.001 });
    expect(near.session.execution()).toMatchObject({ provider: 'webgpu', refused: [] });
    const far = await openFake({ off: 1.01 });
    expect(far.session.execution().provider).toBe('cpu');
    expect(far.session.execution().refused[0]?.reason).toContain('off the cpu');
    expect(far.open).toEqual(['cpu']);
    const nan = await openFake({ off: Number.NaN });
    expect(nan.session.execution().provider).toBe('cpu');
  });

  it('[PRV6] leaves one that is slower than the cpu for the next that is not', async () => {
    const { session, open } = await openFake({ ms: 5 });
    expect(session.execution()).toMatchObject({
      provider: 'cuda',
      refused: [{ provider: 'webgpu', reason: 'it is slower: 5.00 ms a run, the cpu 2.00' }],
    });
    expect(open).toEqual(['cuda']);
  });

  it('[PRV3] goes on on the cpu where a run fails and the cpu’s does not, and tells it once', async () => {
    const { session, open, left } = await openFake({ runsMax: 5 });
    expect(await session.run(feeds(1))).toMatchObject({
      value: { y: { data: Float32Array.of(2) } },
    });
    for (const x of [3, 4])
      expect(await session.run(feeds(x))).toMatchObject({
        value: { y: { data: Float32Array.of(2 * x) } },
      });
    expect(left).toEqual(['cpu']);
    expect(open).toEqual(['cpu']);
    expect(executionProperties([session.execution()])).toEqual({
      execution_providers: 'cpu',
      execution_refusals: 'webgpu: a run failed: the device is lost',
    });
    await session.close();
    expect(open).toEqual([]);
  });

  it('[PRV3] answers from the cpu also where what failed cannot be closed, in a run or when it opens', async () => {
    const { session } = await openFake({ runsMax: 4, sticks: true });
    expect(await session.run(feeds(3))).toMatchObject({
      value: { y: { data: Float32Array.of(6) } },
    });
    expect(session.execution().provider).toBe('cpu');
    await session.close();
    const slow = await openFake({ ms: 5, sticks: true }, ['webgpu', 'cpu']);
    expect(slow.session.execution().provider).toBe('cpu');
  });

  it('[PRV3] stays where it is when inputs are to blame', async () => {
    const { session, open } = await openFake({});
    const wrong: TensorMap = { x: { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(1) } };
    expect(await session.run(wrong)).toMatchObject({ error: { code: 'invalid_tensor' } });
    expect(open).toEqual(['webgpu']);
  });

  it('[PRV3] stays where it is when the cpu fails as well, which stands by for the next time', async () => {
    const { session, open, left } = await openFake({ breaks: 9 });
    for (let time = 0; time < 2; time++) {
      expect(await session.run(feeds(9))).toMatchObject({ error: { code: 'runtime_failed' } });
      expect(session.execution().provider).toBe('webgpu');
      expect(open).toEqual(['webgpu', 'cpu']);
    }
    expect(left).toEqual([]);
    await session.close();
    expect(open).toEqual([]);
  });

  it('[PRV2] is checked on noise of one row and of the largest batch where there are no samples', async () => {
    const { ort, ran } = fakeOrt({});
    const options = { rows: 4 };
    expect((await openOnProviders(ort, double(), ['webgpu', 'cpu'], options)).ok).toBe(true);
    expect(ran).toEqual(
      ['cpu', 'webgpu'].flatMap((provider) => [1, 4].map((rows) => [provider, rows])),
    );
  });

  it('[PRV2] stays on the cpu where that can run none of the samples', async () => {
    const { ort } = fakeOrt({ breaks: 9 });
    const options = { samples: [feeds(9)] };
    const opened = await openOnProviders(ort, double(), ['webgpu', 'cpu'], options);
    assert(opened.ok, 'the session opens');
    expect(opened.value.execution()).toEqual({
      provider: 'cpu',
      refused: [{ provider: 'webgpu', reason: 'there is no input to check it with' }],
    });
  });

  it('[PRV6] is not timed again once that has taken a second', async () => {
    const { ran } = await openFake({ ms: 2_000 }, ['webgpu', 'cpu']);
    // Checked once, timed once.
    expect(ran.filter(([provider]) => provider === 'webgpu')).toHaveLength(2);
  });
});
