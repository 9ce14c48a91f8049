// What every Upstream must do, whoever computes. An adapter's whole test is one call for each server that it speaks to.

import type { Tensor } from '@skerry/models';
import type { MockMode } from '@skerry/models/testing';
import { describe, expect, it } from 'vitest';
import type { Terms, Upstream } from '../infer/upstreams/upstream.ts';

export interface OpenedUpstream {
  readonly upstream: Upstream;
  /** Makes the server behave so; absent where there is none that could. */
  set?(mode: MockMode): void;
}

/** `infer`: the model `double`, x FP32 [−1, 2] → y = 2x. `chat`: the model `echo`, which has a contract of its own. */
export function upstreamContract(name: string, open: () => Promise<OpenedUpstream>): void {
  const terms: Terms = { leftMs: 5_000 };
  const rows = (...values: number[]): { x: Tensor } => ({
    x: { datatype: 'FP32', shape: [values.length / 2, 2], data: Float32Array.from(values) },
  });
  const question = (content: string) => [{ role: 'user' as const, content }];

  /** One question, of whatever kind this upstream answers. */
  const ask = (
    { infer, chat }: Upstream,
    model: 'known' | 'unknown',
    more: Partial<Terms> = {},
  ) => {
    const all = { ...terms, ...more };
    if (infer)
      return infer({ model: model === 'known' ? 'double' : 'nobody', inputs: rows(1, 2) }, all);
    if (chat)
      return chat({ model: model === 'known' ? 'echo' : 'nobody', messages: question('a b') }, all);
    throw new Error('an upstream can do something');
  };

  describe(`${name}: an Upstream`, () => {
    it('is well, and says so when it is not', async () => {
      const { upstream, set } = await open();
      expect(await upstream.health(terms)).toMatchObject({ ok: true });
      if (set === undefined) return;
      set('not-ready');
      expect(await upstream.health(terms)).toMatchObject({ ok: false });
    });

    it('computes tensors, one row or several', async () => {
      const { upstream } = await open();
      if (upstream.infer === undefined) return;
      expect(await upstream.infer({ model: 'double', inputs: rows(1, 2) }, terms)).toMatchObject({
        value: { y: { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(2, 4) } },
      });
      expect(
        await upstream.infer({ model: 'double', inputs: rows(1, 2, 3, 4) }, terms),
      ).toMatchObject({
        value: { y: { shape: [2, 2], data: Float32Array.of(2, 4, 6, 8) } },
      });
    });

    it('says what its model takes and gives, and whether it is ready', async () => {
      const { upstream, set } = await open();
      if (upstream.describe === undefined) return;
      const described = {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
      };
      expect(await upstream.describe('double', terms)).toMatchObject({
        value: { ...described, version: expect.stringMatching(/./), ready: true },
      });
      expect(await upstream.describe('nobody', terms)).toMatchObject({
        error: { code: 'model_not_found' },
      });
      const listed = await upstream.list?.(terms);
      if (listed?.ok) expect(listed.value).toEqual(['double']);
      set?.('not-ready');
      expect(await upstream.describe('double', terms)).toMatchObject({ value: { ready: false } });
    });

    it('refuses tensors that the model does not take, for good', async () => {
      const { upstream } = await open();
      if (upstream.infer === undefined) return;
      const wide: Tensor = { datatype: 'FP32', shape: [1, 3], data: Float32Array.of(1, 2, 3) };
      expect(await upstream.infer({ model: 'double', inputs: { x: wide } }, terms)).toMatchObject({
        error: { code: expect.stringMatching(/^invalid_/), retryable: false },
      });
    });

    it('does not know a model that it does not have', async () => {
      const { upstream } = await open();
      if (upstream.infer === undefined) return;
      expect(await ask(upstream, 'unknown')).toMatchObject({
        error: { code: 'model_not_found', retryable: false },
      });
    });

    it.each<[MockMode, string]>([
      ['overloaded', 'overloaded'],
      ['broken', 'unavailable'],
      ['strange', 'runtime_failed'],
    ])('fails retryably when its server is %s, and answers when it is not', async (mode, code) => {
      const { upstream, set } = await open();
      if (set === undefined) return;
      set(mode);
      expect(await ask(upstream, 'known')).toMatchObject({ error: { code, retryable: true } });
      set('ok');
      expect(await ask(upstream, 'known')).toMatchObject({ ok: true });
    });

    it('keeps the deadline, whatever its server does', async () => {
      const { upstream, set } = await open();
      if (set === undefined) return;
      set('slow');
      expect(await ask(upstream, 'known', { leftMs: 30 })).toMatchObject({
        error: { code: 'deadline_exceeded' },
      });
    });

    it('lets go when nobody waits any more', async () => {
      const { upstream, set } = await open();
      if (set === undefined) return;
      set('slow');
      const gone = new AbortController();
      const asking = ask(upstream, 'known', { signal: gone.signal });
      gone.abort();
      expect(await asking).toMatchObject({ ok: false });
    });
  });
}
