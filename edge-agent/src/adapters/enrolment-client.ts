// EnrolmentClient over HTTPS. First contact: the coordinator's authority is fetched without trust and believed only if
// its sha256 is the one in the token; the token itself travels over a connection that this authority vouches for.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { err, failure, messageOf, ok, parseJoinToken, type Result } from '@skerry/shared';
import { isLoopback } from '@skerry/shared/node';
import { z } from 'zod';
import type { EnrolmentClient, Identity } from '../fleet/identity.ts';

const timeoutMs = 10_000;
const bodyBytesMax = 65_536;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const enrolledSchema = z.strictObject({ certificate: z.string(), authority: z.string() });
const refusedSchema = z.object({ error: z.string() });

/** Without a coordinator's URL there is nobody to ask: all calls fail with `unavailable`. */
export function createEnrolmentClient(coordinatorUrl: string | undefined): EnrolmentClient {
  if (coordinatorUrl === undefined) {
    const nobody = async () => err(failure('unavailable', 'coordinatorUrl is not set'));
    return { enrol: nobody, renew: nobody };
  }
  const base = new URL(coordinatorUrl);

  const ask = async (path: string, body: unknown, key: string, tls: RequestOptions) => {
    const answered = await send(new URL(path, base), JSON.stringify(body), tls);
    if (!answered.ok) return answered;
    const { status, text } = answered.value;
    if (status !== 201) return err(refusalOf(status, text));
    return identityOf(key, text);
  };

  return {
    async enrol(text, device, key) {
      const token = parseJoinToken(text);
      if (!token.ok) return token;
      if (base.protocol === 'http:' && !isLoopback(base.hostname))
        return err(failure('invalid_config', 'a join token travels over https alone'));
      const shown = await send(new URL('/v1/enrol/authority', base), undefined, {
        rejectUnauthorized: false, // Believed by its fingerprint, right below.
      });
      if (!shown.ok) return shown;
      const authority = shown.value.text;
      if (fingerprintOf(authority) !== token.value.authority)
        return err(
          failure('unauthenticated', 'the coordinator is not the one that the token names'),
        );
      const request = await certificateRequest(device, key);
      return ask('/v1/enrol', { token: text, request }, key, { ca: authority });
    },

    async renew(current, device, key) {
      const request = await certificateRequest(device, key);
      return ask('/v1/enrol/renew', { request }, key, {
        ca: current.authority,
        cert: current.certificate,
        key: current.key,
      });
    },
  };
}

/** PKCS #10 (RFC 2986), signed by the key it is for. */
async function certificateRequest(device: string, key: string): Promise<string> {
  // Loaded where it is needed, once in a certificate's life: it would be a tenth of each start.
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  const { subtle } = webcrypto;
  const der = (text: string) => x509.PemConverter.decodeFirst(text);
  const publicPem = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'pem' });
  const keys = {
    privateKey: await subtle.importKey('pkcs8', der(key), algorithm, false, ['sign']),
    publicKey: await subtle.importKey('spki', der(publicPem as string), algorithm, true, [
      'verify',
    ]),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${device}`,
    keys,
    signingAlgorithm: algorithm,
  });
  return request.toString('pem');
}

function fingerprintOf(pem: string): string | undefined {
  try {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
  } catch {
    return undefined;
  }
}

/** Fails with `malformed_message` for a certificate that is not for our key. */
function identityOf(key: string, text: string): Result<Identity> {
  try {
    const enrolled = enrolledSchema.parse(JSON.parse(text));
    const certificate = new X509Certificate(enrolled.certificate);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('another key’s');
    return ok({
      key,
      ...enrolled,
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
    });
  } catch (thrown) {
    return err(failure('malformed_message', `the certificate issued: ${messageOf(thrown)}`));
  }
}

function refusalOf(status: number, text: string) {
  const code = status === 401 || status === 403 ? 'unauthenticated' : 'unavailable';
  try {
    return failure(code, refusedSchema.parse(JSON.parse(text)).error);
  } catch {
    return failure(code, `the coordinator answered ${status}`);
  }
}

/** A GET without a body, else a POST. Fails with `unavailable`, also where TLS finds something wrong. */
function send(url: URL, body: string | undefined, tls: RequestOptions) {
  type Answer = Result<{ readonly status: number; readonly text: string }>;
  return new Promise<Answer>((resolve) => {
    const fail = (thrown: unknown): void =>
      resolve(err(failure('unavailable', `${url.host}: ${messageOf(thrown)}`)));
    const options: RequestOptions = {
      ...tls,
      agent: false,
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
      timeout: timeoutMs,
    };
    const asked = (url.protocol === 'https:' ? httpsRequest : httpRequest)(
      url,
      options,
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > bodyBytesMax) answer.destroy(new Error('too long an answer'));
        });
        answer.on('error', fail);
        answer.on('end', () => resolve(ok({ status: answer.statusCode ?? 0, text })));
      },
    );
    asked.on('error', fail);
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.end(body);
  });
}
