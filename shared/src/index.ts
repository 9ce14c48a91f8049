export { AssertionError, assert, defined, unreachable } from './assert.ts';
export { type Backoff, backoffMs } from './backoff.ts';
export { type Clock, sleep, type Timer } from './clock.ts';
export {
  type ConfigSources,
  countSchema,
  describeConfig,
  listSchema,
  loadConfig,
  portSchema,
  redactConfig,
  secret,
} from './config.ts';
export {
  type Failure,
  type FailureCode,
  failure,
  failureCatalogue,
  httpStatusOf,
  messageOf,
} from './failure.ts';
export {
  createId,
  type Digest,
  digestSchema,
  nameSchema,
} from './ids.ts';
export { envelopeBytesMax, exchangeOpsMax, tensorElementsMax, tensorRankMax } from './limits.ts';
export { type Log, type LogFields, silentLog } from './log.ts';
export { createRandom, type Random, randomFrom, shuffle } from './random.ts';
export { collect, err, ok, type Result } from './result.ts';
