import { generateKeyPairSync, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { unwrap } from '@skerry/shared/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createCertificateSigner,
  createCertificateVerifier,
  createEd25519Signer,
  createEd25519Verifier,
} from './round-signers.ts';

const message = Uint8Array.of(1, 2, 3);
const nowMs = Date.parse('2030-06-01T00:00:00Z');
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

describe('by certificates', () => {
  const pems = { authority: '', other: '', key: '', certificate: '' };
  let issue: (commonName: string) => Promise<{ key: string; certificate: string }>;

  beforeAll(async () => {
    x509.cryptoProvider.set(webcrypto);
    const generate = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const authority = async () => {
      const keys = await generate();
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        name: 'CN=Skerry authority',
        notBefore: new Date('2030-01-01'),
        notAfter: new Date('2031-01-01'),
        signingAlgorithm: algorithm,
        keys,
        extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
      });
      return { keys, certificate };
    };
    const [ours, theirs] = [await authority(), await authority()];
    issue = async (commonName) => {
      const keys = await generate();
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}, OU=harbour`,
        issuer: ours.certificate.subject,
        notBefore: new Date('2030-02-01'),
        notAfter: new Date('2030-08-01'),
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey: ours.keys.privateKey,
      });
      const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
      return {
        key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
        certificate: certificate.toString('pem'),
      };
    };
    Object.assign(pems, await issue('boat-1'), {
      authority: ours.certificate.toString('pem'),
      other: theirs.certificate.toString('pem'),
    });
  });

  it('[SEC7] believes the fleet’s authority, for the device that the certificate names', () => {
    const signer = unwrap(createCertificateSigner(pems.key, pems.certificate));
    const { verify } = unwrap(createCertificateVerifier(pems.authority, () => nowMs));
    const signature = signer.sign(message);
    expect(signature).toHaveLength(64);
    for (let twice = 0; twice < 2; twice++)
      expect(verify('boat-1', signer.credential, message, signature)).toBe(true);
    expect(verify('boat-2', signer.credential, message, signature)).toBe(false);
    expect(verify('boat-1', signer.credential, Uint8Array.of(1, 2), signature)).toBe(false);
    expect(verify('boat-1', signer.credential, message, signature.slice(1))).toBe(false);
    expect(verify('boat-1', Uint8Array.of(1), message, signature)).toBe(false);
  });

  it('[SEC7] believes no other authority, and no certificate before or after its time', () => {
    const signer = unwrap(createCertificateSigner(pems.key, pems.certificate));
    const signature = signer.sign(message);
    const other = unwrap(createCertificateVerifier(pems.other, () => nowMs));
    expect(other.verify('boat-1', signer.credential, message, signature)).toBe(false);
    let now = nowMs;
    const { verify } = unwrap(createCertificateVerifier(pems.authority, () => now));
    expect(verify('boat-1', signer.credential, message, signature)).toBe(true);
    for (const outside of ['2030-01-15T00:00:00Z', '2030-09-01T00:00:00Z']) {
      now = Date.parse(outside);
      expect(verify('boat-1', signer.credential, message, signature)).toBe(false);
    }
  });

  it('[SEC7] believes no key but the certificate’s', async () => {
    const second = await issue('boat-1');
    const signer = unwrap(createCertificateSigner(second.key, pems.certificate));
    const { verify } = unwrap(createCertificateVerifier(pems.authority, () => nowMs));
    expect(verify('boat-1', signer.credential, message, signer.sign(message))).toBe(false);
  });

  it('refuses what is no key and no certificate', () => {
    expect(createCertificateSigner('', pems.certificate)).toMatchObject({ ok: false });
    expect(createCertificateSigner(pems.key, 'none')).toMatchObject({ ok: false });
    expect(createCertificateVerifier('none', () => nowMs)).toMatchObject({ ok: false });
  });
});

describe('by a list of Ed25519 keys', () => {
  it('[SEC7] believes the key on the list', () => {
    const [one, two] = [0, 1].map(() =>
      createEd25519Signer(generateKeyPairSync('ed25519').privateKey),
    );
    if (one === undefined || two === undefined) throw new Error('two signers');
    const listed = new Map([
      ['boat-1', one.credential],
      ['boat-2', two.credential],
      ['boat-3', Uint8Array.of(1)],
    ]);
    const { verify } = createEd25519Verifier((client) => listed.get(client));
    const signature = one.sign(message);
    expect(verify('boat-1', one.credential, message, signature)).toBe(true);
    expect(verify('boat-2', one.credential, message, signature)).toBe(false);
    expect(verify('boat-2', two.credential, message, signature)).toBe(false);
    expect(verify('boat-3', Uint8Array.of(1), message, signature)).toBe(false);
    expect(verify('boat-4', one.credential, message, signature)).toBe(false);
    expect(verify('boat-1', one.credential, Uint8Array.of(1), signature)).toBe(false);
  });
});
