import { totalmem } from 'node:os';

/** What this process may use: its control group's limit, where there is one, or the machine's memory. */
export function memoryLimitBytes(): number {
  // Without a limit, some kernels say a number beyond all memory.
  const limit = process.constrainedMemory() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
