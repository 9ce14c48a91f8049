export { loadProcessConfig } from './load-process-config.ts';
export { createLog, logLevels } from './pino-log.ts';
export { sha256 } from './sha256.ts';
export { systemClock } from './system-clock.ts';
export { createSystemRandom } from './system-random.ts';
