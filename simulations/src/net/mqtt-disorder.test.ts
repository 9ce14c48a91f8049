import { createRandom } from '@skerry/shared';
import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { describe, expect, it, vi } from 'vitest';
import { createMqttDisorder } from './mqtt-disorder.ts';
import { createFrameCutter } from './mqtt-frames.ts';

const publish = (text: string): Buffer =>
  generate({
    cmd: 'publish',
    topic: 't',
    payload: text,
    qos: 1,
    messageId: 1,
    dup: false,
    retain: false,
  });
const ping = generate({ cmd: 'pingreq' });

describe('packets of a stream', () => {
  it('come out whole and in order, however the stream is cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
    const payloads = fc.array(fc.string({ maxLength: 300 }), { maxLength: 10 });
    fc.assert(
      fc.property(payloads, sizes, (texts, cuts) => {
        const frames = texts.flatMap((text) => [publish(text), ping]);
        const stream = Buffer.concat(frames);
        const cut = createFrameCutter();
        const got: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          got.push(...cut(stream.subarray(at, at + size)));
          at += size;
        }
        expect(got.map((frame) => Buffer.from(frame))).toEqual(frames);
      }),
    );
  });
});

describe('disorder', () => {
  it('repeats messages and lets others pass them, and touches nothing else', async () => {
    const sent = Array.from({ length: 200 }, (_, i) => publish(`message ${i}`));
    const counts = { repeated: 0, delayed: 0 };
    const disorder = { repeatedShare: 0.3, delayedShare: 0.3, delayMsMax: 5 };
    const shape = createMqttDisorder(createRandom(1), disorder, (what) => counts[what]++)();
    const got: string[] = [];
    const forward = (frame: Uint8Array) => void got.push(Buffer.from(frame).toString('latin1'));
    for (const frame of sent) shape(Buffer.concat([frame, ping]), forward);
    await vi.waitFor(() => expect(got).toHaveLength(2 * sent.length + counts.repeated));
    const pings = got.filter((frame) => frame === ping.toString('latin1'));
    const messages = got.filter((frame) => frame !== ping.toString('latin1'));
    expect(pings).toHaveLength(sent.length);
    expect(new Set(messages)).toEqual(new Set(sent.map((frame) => frame.toString('latin1'))));
    expect(counts.repeated).toBeGreaterThan(0);
    expect(counts.delayed).toBeGreaterThan(0);
    const firsts = [...new Set(messages)];
    expect(firsts).not.toEqual(sent.map((frame) => frame.toString('latin1')));
  });
});
