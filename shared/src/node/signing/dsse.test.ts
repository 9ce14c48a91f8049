import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { preAuthenticationEncoding, signEnvelope, verifyEnvelope } from './dsse.ts';
import { keyIdOf, type PublicKey, publicKeyOf } from './public-key.ts';
import { createKeySigner, type Signer } from './signer.ts';

const type = 'application/vnd.skerry.assignment+json';
const payload = new TextEncoder().encode('{"model":"digits"}');

function newSigner(kind: 'ed25519' | 'ec' = 'ed25519'): Signer {
  const { privateKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return granted(createKeySigner(privateKey));
}

function granted<T>(result: { ok: true; value: T } | { ok: false }): T {
  if (!result.ok) throw new Error('expected a value');
  return result.value;
}

const signed = async (signer: Signer) => granted(await signEnvelope(signer, type, payload));

// DSSE protocol.md, "Test Vectors".
const vector = {
  payloadType: 'http://example.com/HelloWorld',
  body: new TextEncoder().encode('hello world'),
  encoded: 'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  x: 46950820868899156662930047687818585632848591499744589407958293238635476079160n,
  y: 5640078356564379163099075877009565129882514886557779369047442380624545832820n,
  envelope: {
    payload: 'aGVsbG8gd29ybGQ=',
    payloadType: 'http://example.com/HelloWorld',
    signatures: [
      {
        sig: 'A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==',
      },
    ],
  },
};

describe('the published vector', () => {
  const coordinate = (value: bigint): string =>
    Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: coordinate(vector.x), y: coordinate(vector.y) };
  const key = granted(publicKeyOf(createPublicKey({ key: jwk, format: 'jwk' })));

  it('encodes as published', () => {
    const encoded = preAuthenticationEncoding(vector.payloadType, vector.body);
    expect(Buffer.from(encoded).toString()).toBe(vector.encoded);
  });

  it('verifies as published', () => {
    const verified = verifyEnvelope(vector.envelope, [key], 1, vector.payloadType);
    expect(verified).toEqual({ ok: true, value: vector.body });
  });

  it('does not verify as another type', () => {
    const envelope = { ...vector.envelope, payloadType: type };
    expect(verifyEnvelope(envelope, [key], 1, type).ok).toBe(false);
  });
});

describe.each(['ed25519', 'ec'] as const)('an envelope signed with %s', (kind) => {
  const signer = newSigner(kind);
  const other = newSigner(kind);
  const keys: PublicKey[] = [signer.publicKey, other.publicKey];

  it('gives back the payload', async () => {
    const verified = verifyEnvelope(await signed(signer), keys, 1, type);
    expect(verified).toEqual({ ok: true, value: payload });
  });

  it('is as good in URL-safe base64 and without a key id', async () => {
    const envelope = await signed(signer);
    const signatures = envelope.signatures.map(({ sig }) => ({
      sig: Buffer.from(sig, 'base64').toString('base64url'),
    }));
    expect(verifyEnvelope({ ...envelope, signatures }, keys, 1, type).ok).toBe(true);
  });

  it('is refused with another payload, type or key', async () => {
    const envelope = await signed(signer);
    const refusals = [
      verifyEnvelope({ ...envelope, payload: 'e30=' }, keys, 1, type),
      verifyEnvelope({ ...envelope, payloadType: 'other' }, keys, 1, 'other'),
      verifyEnvelope(envelope, keys, 1, 'other'),
      verifyEnvelope(envelope, [other.publicKey], 1, type),
      verifyEnvelope(envelope, [], 0, type),
    ];
    for (const refused of refusals)
      expect(refused).toMatchObject({ ok: false, error: { code: 'untrusted' } });
  });

  it('needs as many keys as the threshold, not as many signatures', async () => {
    const [one, two] = [await signed(signer), await signed(other)];
    const twice = { ...one, signatures: [...one.signatures, ...one.signatures] };
    const renamed = {
      ...one,
      signatures: [...one.signatures, ...one.signatures.map((s) => ({ ...s, keyid: 'x' }))],
    };
    const both = { ...one, signatures: [...one.signatures, ...two.signatures] };
    expect(verifyEnvelope(one, keys, 2, type).ok).toBe(false);
    expect(verifyEnvelope(twice, keys, 2, type).ok).toBe(false);
    expect(verifyEnvelope(renamed, keys, 2, type).ok).toBe(false);
    expect(verifyEnvelope(twice, [...keys, ...keys], 2, type).ok).toBe(false);
    expect(verifyEnvelope(both, keys, 2, type).ok).toBe(true);
  });
});

it('refuses whatever is no envelope, and throws at nothing', () => {
  const keys = [newSigner().publicKey];
  fc.assert(
    fc.property(fc.anything(), (envelope) => {
      expect(verifyEnvelope(envelope, keys, 1, type)).toMatchObject({
        ok: false,
        error: { code: 'malformed_message' },
      });
    }),
  );
  const many = Array.from({ length: 17 }, () => ({ sig: 'AAAA' }));
  expect(
    verifyEnvelope({ payloadType: type, payload: '', signatures: many }, keys, 1, type).ok,
  ).toBe(false);
});

it('names a key as other TUF implementations do', () => {
  // The key of the TUF specification’s example; its id by Python’s json.dumps(sort_keys, separators) and sha256.
  const key: PublicKey = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: 'edcd0a32a07dce33f7c7873aaffbff36d20ea30787574ead335eefd337e4dacd' },
  };
  expect(keyIdOf(key)).toBe('2345a90ad8d76f3677f9ad6695b0ba0b5c7b7fbf27fb0ed35fbdf7b71264a679');
});
