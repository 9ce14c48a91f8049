import { envelopeBytesMax, requestDeadlineMsMax } from '@skerry/shared';
import { encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumBytes, seal } from './checksum.ts';
import {
  decodeDownBody,
  decodeMessage,
  decodeUpBody,
  encodeBody,
  encodeMessage,
  opBytes,
  opsBytesMax,
} from './codec.ts';
import { type Message, protocolVersion } from './messages.ts';
import {
  sampleAcks,
  sampleAnswer,
  sampleEscalation,
  sampleExchange,
  sampleReply,
  sampleUpOp,
} from './testing/samples.ts';

const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0); // −0 + 0 = 0
const count = fc.nat(Number.MAX_SAFE_INTEGER);
const requestId = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme-ascii' });

const escalation = fc
  .record({ requestId, data: fc.uint8Array({ maxLength: 200 }), number, count })
  .map(({ requestId, data, number, count }) => {
    const body = sampleEscalation(requestId);
    const local = { exit: 1, label: count, confidence: number };
    return { ...body, input: { ...body.input, data, shape: [data.length] }, local };
  });

const answer = fc
  .record({ requestId, probabilities: fc.array(number, { maxLength: 20 }) })
  .map(({ requestId, probabilities }) => sampleAnswer(requestId, probabilities));

const exchange = fc
  .record({ count, bodies: fc.array(escalation, { maxLength: 5 }), number, more: fc.boolean() })
  .map(({ count, bodies, number, more }) =>
    sampleExchange({
      cursor: count,
      ops: bodies.map((body, i) => ({ seq: i + 1, atMs: number, body })),
      more,
    }),
  );

const reply = fc
  .record({ count, bodies: fc.array(answer, { maxLength: 5 }), number })
  .map(({ count, bodies, number }) =>
    sampleReply({
      acks: sampleAcks(count),
      ops: bodies.map((body, i) => ({ position: 2 * i + 1, atMs: number, body })),
    }),
  );

const hint: Message = { v: protocolVersion, type: 'hint' };
const message: fc.Arbitrary<Message> = fc.oneof(exchange, reply, fc.constant(hint));

const encoded = (m: Message): Uint8Array => {
  const bytes = encodeMessage(m);
  if (!bytes.ok) throw new Error(bytes.error.message);
  return bytes.value;
};
const codeOf = (bytes: Uint8Array): string => {
  const decoded = decodeMessage(bytes);
  return decoded.ok ? 'ok' : decoded.error.code;
};

describe('codec', () => {
  it('[COD1] a message decodes to what was encoded', () => {
    fc.assert(
      fc.property(message, (m) => {
        expect(decodeMessage(encoded(m))).toEqual({ ok: true, value: m });
      }),
    );
  });

  it('[COD1] a body decodes to what was encoded', () => {
    fc.assert(
      fc.property(escalation, answer, (up, down) => {
        const [upBytes, downBytes] = [encodeBody(up), encodeBody(down)];
        if (!upBytes.ok || !downBytes.ok) throw new Error('a body was refused');
        expect(decodeUpBody(upBytes.value)).toEqual({ ok: true, value: up });
        expect(decodeDownBody(downBytes.value)).toEqual({ ok: true, value: down });
      }),
    );
  });

  it('[COD1] whole numbers, fractions and −0 keep their value, and a view only its bytes', () => {
    const numbers = [0, 1, -1, 0.1, 1e-300, 1e300, 2 ** 53, -(2 ** 60)];
    const bytes = encoded(
      sampleReply({
        ops: [{ position: 1, atMs: -0, body: sampleAnswer('r', numbers) }],
      }),
    );
    const decoded = decodeMessage(bytes);
    if (!decoded.ok || decoded.value.type !== 'reply') throw new Error('not a reply');
    expect(Object.is(decoded.value.ops[0]?.atMs, 0)).toBe(true);
    expect(decoded.value.ops[0]?.body).toEqual(sampleAnswer('r', numbers));

    const up = sampleEscalation('r');
    const view = Buffer.from('xxabcxx').subarray(2, 5);
    const body = encodeBody({ ...up, input: { ...up.input, data: view } });
    const back = body.ok ? decodeUpBody(Buffer.from(body.value)) : body;
    expect(back).toMatchObject({ value: { input: { data: Uint8Array.from([97, 98, 99]) } } });
  });

  it.each<[string, number[]]>([
    ['nothing', []],
    ['a trailing byte', [...encoded(hint).subarray(0, -checksumBytes), 0]],
    ['a cut message', [...encoded(hint).subarray(0, -checksumBytes - 1)]],
    ['a repeated key', [0xa2, 0x61, 0x76, 1, 0x61, 0x76, 1]],
    ['an indefinite map', [0xbf, 0x61, 0x76, 1, 0xff]],
    ['not a map', [0x01]],
    ['a long form of a small number', [0xa1, 0x61, 0x76, 0x18, 1]],
    ['a nesting without end', Array<number>(envelopeBytesMax - checksumBytes).fill(0x81)],
    ['an array that claims 2^40 items', [0x9b, 0, 0, 1, 0, 0, 0, 0, 0]],
  ])('[COD2] refuses %s', (_, bytes) => {
    expect(codeOf(seal(Uint8Array.from(bytes)))).toBe('malformed_message');
  });

  it('[COD2] refuses NaN and infinities', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const forged = seal(encode({ ...sampleReply(), after: bad }));
      expect(codeOf(forged)).toBe('malformed_message');
    }
  });

  it('[COD3] refuses another version, whatever else the message holds', () => {
    expect(codeOf(seal(encode({ v: protocolVersion + 1, type: 'novel', x: [1] })))).toBe(
      'unsupported_version',
    );
    expect(codeOf(seal(encode({ v: 'one', type: 'hint' })))).toBe('malformed_message');
  });

  it.each<[string, object]>([
    ['an unknown type', { v: protocolVersion, type: 'novel' }],
    ['an unknown field', { ...hint, extra: 1 }],
    ['a missing field', { ...sampleReply(), acks: undefined }],
    ['a negative cursor', sampleExchange({ cursor: -1 })],
    ['a device id that is a wildcard', sampleExchange({ device: '+' })],
    ['seqs that do not rise', sampleExchange({ ops: [sampleUpOp(2), sampleUpOp(2)] })],
    ['positions that fall', sampleReply({ ops: [2, 1].map(downOp) })],
    [
      'ops too many',
      sampleExchange({ ops: Array.from({ length: 257 }, (_, i) => sampleUpOp(i + 1)) }),
    ],
  ])('[COD4] refuses %s', (_, forged) => {
    expect(codeOf(seal(encode(forged, { ignoreUndefinedProperties: true })))).toBe(
      'malformed_message',
    );
  });

  it('[COD5] neither encodes nor decodes what is too large', () => {
    const body = sampleEscalation('r', envelopeBytesMax);
    const large = sampleExchange({ ops: [{ seq: 1, atMs: 0, body }] });
    expect(encodeMessage(large)).toMatchObject({ error: { code: 'too_large' } });
    expect(codeOf(new Uint8Array(envelopeBytesMax + 1))).toBe('too_large');
  });

  it('[COD6] the largest op that may be stored fits an Exchange and a Reply with the longest header', () => {
    const spareBytes = opsBytesMax - opBytes(sampleEscalation('r', 70_000));
    const body = sampleEscalation('r', 70_000 + spareBytes);
    expect(opBytes(body)).toBe(opsBytesMax);
    expect(encodeBody(body).ok).toBe(true);
    expect(encodeBody(sampleEscalation('r', 70_001 + spareBytes))).toMatchObject({
      error: { code: 'too_large' },
    });
    const header = { device: 'd'.repeat(64), epoch: 'e'.repeat(40), exchangeId: 'x'.repeat(64) };
    const big = Number.MAX_SAFE_INTEGER;
    const op = { seq: big, atMs: 1e300 / 7, body };
    expect(encodeMessage(sampleExchange({ ...header, cursor: big, ops: [op] })).ok).toBe(true);
    // A Reply's header is an Exchange's and two counts; its op's share is counted alike.
    const bare = encoded(sampleReply({ ...header, acks: sampleAcks(big), nextExchangeMs: big }));
    expect(bare.length).toBeLessThan(envelopeBytesMax - opsBytesMax);
  });

  it('[COD6] the sum of opBytes is never less than what the ops take', () => {
    fc.assert(
      fc.property(fc.array(escalation, { maxLength: 8 }), number, (bodies, atMs) => {
        const ops = bodies.map((body, i) => ({ seq: 2 ** 50 + i, atMs, body }));
        const takes =
          encoded(sampleExchange({ ops })).length - encoded(sampleExchange({ ops: [] })).length;
        expect(takes).toBeLessThanOrEqual(bodies.reduce((sum, body) => sum + opBytes(body), 0));
      }),
    );
  });

  it('[COD8] refuses a message with any one bit flipped', () => {
    const bytes = encoded(sampleExchange({ ops: [sampleUpOp(1)] }));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(codeOf(damaged)).toBe('malformed_message');
    }
  });

  it('[COD7] random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void codeOf(bytes)),
      {
        numRuns: 2_000,
      },
    );
  });

  it('[COD7] flipped bits and cuts never throw', () => {
    const flips = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(message, flips, fc.nat(), (m, bits, cut) => {
        const bytes = encoded(m).slice();
        for (const bit of bits) {
          const at = (bit >> 3) % bytes.length;
          bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
        }
        codeOf(bytes);
        codeOf(bytes.subarray(0, cut % bytes.length));
      }),
      { numRuns: 1_000 },
    );
  });
});

function downOp(position: number) {
  return { position, atMs: 0, body: sampleAnswer(`r${position}`) };
}

it('[EXC5] of a longer wait than anybody may have so much alone counts, and it is not refused', () => {
  for (const deadlineLeftMs of [requestDeadlineMsMax, 2 ** 31, 1e300]) {
    const bytes = encode({ ...sampleEscalation('a'), deadlineLeftMs });
    expect(decodeUpBody(bytes)).toMatchObject({ value: { deadlineLeftMs: requestDeadlineMsMax } });
  }
});
