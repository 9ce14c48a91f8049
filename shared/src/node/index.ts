export { listenHttp } from './listen-http.ts';
export { loadProcessConfig } from './load-process-config.ts';
export { memoryLimitBytes } from './memory-limit.ts';
export { logLevelSchema, type Opened, runProcess } from './run-process.ts';
export { sha256 } from './sha256.ts';
export { systemClock } from './system-clock.ts';
export { createSystemRandom } from './system-random.ts';
export { isLoopback, type TlsMaterial } from './tls-material.ts';
export { writePrivateFile } from './write-private-file.ts';
