// The coordinator's certificate authority: an EC P-256 key in the data folder, made on first start, that signs what
// enrolment and the coordinator's own listeners need. X.509 by RFC 5280, requests by RFC 2986 (PKCS #10).

import { createHash, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type TlsMaterial, writePrivateFile, writeWholeFile } from '@skerry/shared/node';
import type { Authority, DeviceCertificate, Revoked, Subject } from '../fleet/enrolment.ts';

const { subtle } = webcrypto;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const authorityName = 'CN=Skerry authority';
const dayMs = 86_400_000;
const authorityLifeMs = 3_650 * dayMs;
/** A server's and a coordinator's own certificate: made anew at each start. */
const serverLifeMs = 397 * dayMs;
/** Beyond it a broker refuses everybody. */
export const revocationListLifeMs = 365 * dayMs;
/** Clocks of devices lag. */
const backdateMs = 3_600_000;
const requestCharsMax = 4_096;

export interface X509Authority extends Authority {
  /** For a listener that is reached under these host names and addresses. */
  issueServer(names: readonly string[], nowMs: number): Promise<TlsMaterial>;
  /** For a client with a key of our own making, such as the coordinator at a broker. */
  issueClient(commonName: string, nowMs: number, lifeMs?: number): Promise<TlsMaterial>;
  /** A certificate revocation list, as PEM, for brokers that are not ours. */
  revocationList(revoked: readonly Revoked[], nowMs: number): Promise<string>;
  /** The moment that such a list was made for; `undefined` for what is none. */
  listedAtMs(revocationList: string): number | undefined;
}

/** Opens the authority in `folder`, or makes one. Fails with `storage_failed`. */
export async function openAuthority(folder: string, nowMs: number): Promise<Result<X509Authority>> {
  x509.cryptoProvider.set(webcrypto);
  try {
    const file = join(folder, 'authority.pem');
    if (!existsSync(file)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // Key and certificate in one file, so that no crash can leave one without the other.
      writePrivateFile(file, await createAuthority(nowMs));
    }
    const text = readFileSync(file, 'utf8');
    const [key = '', certificate = ''] = text.split(/(?<=-----END PRIVATE KEY-----\n)/);
    // What others believe it by, alone: nobody is to be given the file with the key.
    const shown = join(folder, 'authority.crt');
    if (!existsSync(shown) || readFileSync(shown, 'utf8') !== certificate)
      writeWholeFile(shown, certificate);
    return ok(authorityOf(await importKey(key), new x509.X509Certificate(certificate)));
  } catch (thrown) {
    return err(failure('storage_failed', `the authority in ${folder}: ${messageOf(thrown)}`));
  }
}

async function createAuthority(nowMs: number): Promise<string> {
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: authorityName,
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + authorityLifeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
    ],
  });
  return `${await exportKey(keys.privateKey)}${certificate.toString('pem')}\n`;
}

function authorityOf(
  signingKey: webcrypto.CryptoKey,
  authority: x509.X509Certificate,
): X509Authority {
  const certificate = `${authority.toString('pem')}\n`;

  const sign = (
    subject: string,
    publicKey: x509.PublicKeyType,
    [fromMs, untilMs]: readonly [number, number],
    extensions: x509.Extension[],
  ): Promise<x509.X509Certificate> =>
    x509.X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject,
      issuer: authority.subject,
      notBefore: new Date(fromMs),
      notAfter: new Date(untilMs),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...extensions,
      ],
    });

  const material = async (
    subject: string,
    [nowMs, lifeMs]: readonly [number, number],
    extensions: x509.Extension[],
  ): Promise<TlsMaterial> => {
    const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const life = [nowMs - backdateMs, nowMs + lifeMs] as const;
    const issued = await sign(subject, keys.publicKey, life, extensions);
    const chain = `${issued.toString('pem')}\n${certificate}`;
    return { key: await exportKey(keys.privateKey), cert: chain, ca: certificate };
  };

  return {
    certificate,
    fingerprint: createHash('sha256').update(new Uint8Array(authority.rawData)).digest('hex'),

    async readRequest(pem) {
      const refusal = err(failure('invalid_argument', 'expected a signed P-256 PKCS #10 request'));
      if (pem.length > requestCharsMax) return refusal;
      try {
        const request = new x509.Pkcs10CertificateRequest(pem);
        const [device = ''] = request.subjectName.getField('CN');
        const { namedCurve } = request.publicKey.algorithm as { namedCurve?: string };
        if (namedCurve !== algorithm.namedCurve || !(await request.verify())) return refusal;
        const key = new Uint8Array(request.publicKey.rawData);
        return ok({ device, key: createHash('sha256').update(key).digest('hex') });
      } catch {
        return refusal; // Whatever a foreign request makes the parser throw.
      }
    },

    async issueDevice(pem, { device, site }, lifeMs, nowMs): Promise<DeviceCertificate> {
      const { publicKey } = new x509.Pkcs10CertificateRequest(pem);
      const notAfterMs = nowMs + lifeMs;
      const issued = await sign(
        nameOf({ device, site }),
        publicKey,
        [nowMs - backdateMs, notAfterMs],
        [
          // A site's relay is a server too, to who knows it by this name alone: no host of ours ends like that (RFC 6761).
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.clientAuth,
            x509.ExtendedKeyUsage.serverAuth,
          ]),
          new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: `${device}.invalid` }]),
        ],
      );
      return {
        certificate: `${issued.toString('pem')}\n`,
        serial: normalSerial(issued.serialNumber),
        notAfterMs,
      };
    },

    issueServer: (names, nowMs) =>
      material(
        'CN=Skerry coordinator',
        [nowMs, serverLifeMs],
        [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
          ),
        ],
      ),

    issueClient: (commonName, nowMs, lifeMs = serverLifeMs) =>
      material(
        `CN=${commonName}`,
        [nowMs, lifeMs],
        [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
      ),

    async revocationList(revoked, nowMs) {
      const list = await x509.X509CrlGenerator.create({
        issuer: authority.subject,
        thisUpdate: new Date(nowMs - backdateMs),
        nextUpdate: new Date(nowMs + revocationListLifeMs),
        signingAlgorithm: algorithm,
        signingKey,
        entries: revoked.map(({ serial, revokedMs }) => ({
          serialNumber: serial,
          revocationDate: new Date(revokedMs),
        })),
      });
      return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`; // RFC 7468 §6.
    },

    listedAtMs(revocationList) {
      try {
        return new x509.X509Crl(revocationList).thisUpdate.getTime() + backdateMs;
      } catch {
        return undefined;
      }
    },
  };
}

const nameOf = ({ device, site }: Subject): string => `CN=${device}, OU=${site}`;

/** 16 random bytes, positive in DER (RFC 5280 §4.1.2.2). */
function newSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** One spelling: node:tls writes upper case. */
export const normalSerial = (serial: string): string => serial.toLowerCase();

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
}

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, false, ['sign']);
