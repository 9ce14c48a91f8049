// Signers from where private keys lie: PEM files (PKCS #8, encrypted or not) and environment variables. A token behind
// PKCS #11 is another adapter of Signer (shared/src/node/signing/signer.ts).

import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { collect, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import {
  createKeySigner,
  type PublicKey,
  publicKeyOf,
  type Signer,
  writePrivateFile,
} from '@skerry/shared/node';

/** Holds the passphrase of encrypted keys, of those that are read and of those that are made. */
const passphraseVariable = 'TUF_PASSPHRASE';
const environmentPrefix = 'env:';

/** Makes FILE, readable for its owner alone, and FILE.pub. Fails where there is one. */
export function makeKey(path: string, kind: 'ed25519' | 'p256'): Result<Signer> {
  if (existsSync(path)) return err(failure('invalid_argument', `${path} is there already`));
  const passphrase = process.env[passphraseVariable];
  const { privateKey, publicKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher });
    writePrivateFile(path, pem.toString());
    writeFileSync(`${path}.pub`, publicKey.export({ type: 'spki', format: 'pem' }));
  } catch (thrown) {
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
  return createKeySigner(privateKey);
}

/** `env:NAME`, or the path of a PEM file. Fails with `invalid_argument`; the failure never holds the key. */
export function openSigner(reference: string): Result<Signer> {
  const pem = reference.startsWith(environmentPrefix)
    ? readVariable(reference.slice(environmentPrefix.length))
    : readPem(reference);
  if (!pem.ok) return pem;
  try {
    const passphrase = process.env[passphraseVariable];
    const withPassphrase = passphrase === undefined ? {} : { passphrase };
    return createKeySigner(createPrivateKey({ key: pem.value, ...withPassphrase }));
  } catch {
    // What OpenSSL says may quote what it was given.
    const locked = pem.value.includes('ENCRYPTED');
    const why = locked
      ? `it is encrypted: set ${passphraseVariable}`
      : 'it is no private key as PEM';
    return err(failure('invalid_argument', `${reference}: ${why}`));
  }
}

/** Every key of a folder; none where there is no folder. */
export function openSigners(folder: string): Result<Signer[]> {
  if (!existsSync(folder)) return ok([]);
  const names = readdirSync(folder).filter((name) => name.endsWith('.pem'));
  return collect(names.sort().map((name) => openSigner(join(folder, name))));
}

/** A public key as PEM; of a private key its public half. */
export function readPublicKey(path: string): Result<PublicKey> {
  const pem = readPem(path);
  if (!pem.ok) return pem;
  const key = publicKeyOf(pem.value);
  return key.ok ? key : err(failure('invalid_argument', `${path}: ${key.error.message}`));
}

function readVariable(name: string): Result<string> {
  const text = process.env[name];
  return text === undefined
    ? err(failure('invalid_argument', `the variable ${name} is not set`))
    : ok(text.replaceAll('\\n', '\n')); // Where a variable can hold one line alone.
}

function readPem(path: string): Result<string> {
  try {
    return ok(readFileSync(path, 'utf8'));
  } catch (thrown) {
    return err(failure('invalid_argument', messageOf(thrown)));
  }
}
