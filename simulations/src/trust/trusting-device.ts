// A device's trust, as the agent has it: its files in a folder, tuf-js, and a clock that a test may turn.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createRunTuf,
  createTrustClient,
  createTrustDirectory,
  type TrustClient,
  type TrustFiles,
} from '@skerry/edge-agent/trust';
import type { Clock } from '@skerry/shared';

export interface TrustingDevice {
  readonly folder: string;
  /** A client as after a restart; `wrap` may stand between it and its disk. */
  open(wrap?: (files: TrustFiles) => TrustFiles): TrustClient;
  /** Turns the device's clock; null is the system's. */
  setClock(ms: number | null): void;
  close(): void;
}

export function createTrustingDevice(trustedRoot: Uint8Array, releasedMs = 0): TrustingDevice {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-device-'));
  let setMs: number | null = null;
  const nowMs = (): number => setMs ?? Date.now();
  const clock: Clock = { nowMs, monotonicMs: nowMs, after: () => ({ cancel() {} }) };
  return {
    folder,
    open: (wrap = (files) => files) =>
      createTrustClient(
        { trustedRoot, releasedMs },
        {
          files: wrap(createTrustDirectory(join(folder, 'trust'))),
          runTuf: createRunTuf(clock),
          clock,
        },
      ),
    setClock: (ms) => {
      setMs = ms;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
