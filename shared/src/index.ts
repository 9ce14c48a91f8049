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
  shareSchema,
} from './config.ts';
export { describeIssues } from './describe-issues.ts';
export { type DsseEnvelope, dsseEnvelopeSchema } from './dsse-envelope.ts';
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
  defaultSite,
  digestSchema,
  nameSchema,
} from './ids.ts';
export { formatJoinToken, type JoinToken, parseJoinToken } from './join-token.ts';
export {
  envelopeBytesMax,
  exchangeOpsMax,
  labelCharsMax,
  requestDeadlineMsMax,
  tensorElementsMax,
  tensorRankMax,
} from './limits.ts';
export { type Log, type LogFields, silentLog } from './log.ts';
export { orItsJson } from './or-its-json.ts';
export { parseJson } from './parse-json.ts';
export { createRandom, type Random, randomFrom, shuffle } from './random.ts';
export { collect, err, ok, type Result } from './result.ts';
