export { attempt } from './attempt.ts';
export { browserModule } from './browser-module.ts';
export { exchangeHttp, type Fetch, type HttpAsk, openHttp } from './http-exchange.ts';
export { instantMs, instantOf } from './instant.ts';
export { createKeystreamBytes, keystreamKeyBytes } from './keystream-bytes.ts';
export { listenHttp } from './listen-http.ts';
export { loadProcessConfig } from './load-process-config.ts';
export { memoryLimitBytes } from './memory-limit.ts';
export { openFilesMax } from './open-files.ts';
export { isOwnOrigin } from './own-origin.ts';
export { pageFiles } from './page-files.ts';
export { logLevelSchema, type Opened, runProcess } from './run-process.ts';
export { errorTextOf, serverFailure } from './server-failure.ts';
export { sha256 } from './sha256.ts';
export { signEnvelope, verifyEnvelope } from './signing/dsse.ts';
export {
  keyIdOf,
  type PublicKey,
  publicKeyOf,
  publicKeySchema,
  verifySignature,
} from './signing/public-key.ts';
export { createKeySigner, type Signer } from './signing/signer.ts';
export { systemClock } from './system-clock.ts';
export { createSystemRandom } from './system-random.ts';
export { createSystemRandomBytes } from './system-random-bytes.ts';
export { isLoopback, type TlsMaterial } from './tls-material.ts';
export { flushFolder, withFile, writeFlushed } from './with-file.ts';
export { writePrivateFile, writeWholeFile } from './write-whole-file.ts';
