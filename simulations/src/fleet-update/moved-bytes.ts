// How bundles came to the devices, as each agent tells it.

import { z } from 'zod';
import type { SkerryProcess } from '../fleet/process.ts';

const updatesSchema = z.object({
  models: z.array(
    z.object({
      reports: z.array(
        z.object({
          report: z.object({
            bundle: z.string(),
            moved: z
              .object({ bytes: z.number(), fullBytes: z.number(), way: z.string() })
              .optional(),
          }),
        }),
      ),
    }),
  ),
});

export interface Moved {
  readonly bundle: string;
  readonly way: string;
  readonly devices: number;
  readonly bytes: number;
  /** What it would have been whole. */
  readonly fullBytes: number;
}

export async function movedBytes(agents: readonly SkerryProcess[]): Promise<readonly Moved[]> {
  const sums = new Map<string, Moved>();
  for (const { httpUrl } of agents) {
    const response = await fetch(`${httpUrl}/v1/updates`);
    const { models } = updatesSchema.parse(await response.json());
    // Told again of what it has already, a device moves nothing: how it came was said before.
    const came = new Map<string, { bytes: number; fullBytes: number; way: string }>();
    for (const { report } of models.flatMap(({ reports }) => reports))
      if ((report.moved?.bytes ?? 0) > (came.get(report.bundle)?.bytes ?? 0) && report.moved)
        came.set(report.bundle, report.moved);
    for (const [bundle, { bytes, fullBytes, way }] of came) {
      const key = `${bundle} ${way}`;
      const sum = sums.get(key) ?? { bundle, way, devices: 0, bytes: 0, fullBytes: 0 };
      sums.set(key, {
        ...sum,
        devices: sum.devices + 1,
        bytes: sum.bytes + bytes,
        fullBytes: sum.fullBytes + fullBytes,
      });
    }
  }
  return [...sums.values()];
}

/** Blobs that the agents have ever fetched. */
export async function fetchedBlobs(agents: readonly SkerryProcess[]): Promise<number> {
  let count = 0;
  for (const { httpUrl } of agents) {
    const { transfers } = (await (await fetch(`${httpUrl}/v1/transfers`)).json()) as {
      transfers: unknown[];
    };
    count += transfers.length;
  }
  return count;
}
