// Which devices somebody means: a rollout, one of its waves, a learning run.

import { nameSchema } from '@skerry/shared';
import { z } from 'zod';

const labelsMax = 16;
const listedDevicesMax = 10_000;

const labelSchema = z.string().min(1).max(64);

/** All that is said must hold; nothing said is everybody. */
export const selectionSchema = z.strictObject({
  labels: z.array(labelSchema).max(labelsMax).optional(),
  /** Kinds of hardware, of which one. */
  targets: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
  sites: z.array(nameSchema).min(1).max(1_000).optional(),
  devices: z.array(nameSchema).min(1).max(listedDevicesMax).optional(),
});
export type Selection = z.infer<typeof selectionSchema>;

/** What a selection looks at. */
export interface Selectable {
  readonly device: string;
  readonly target: string;
  readonly site: string;
  readonly labels: readonly string[];
}

export function selects(selection: Selection, device: Selectable): boolean {
  const { labels, targets, sites, devices } = selection;
  return (
    (labels?.every((label) => device.labels.includes(label)) ?? true) &&
    (targets?.includes(device.target) ?? true) &&
    (sites?.includes(device.site) ?? true) &&
    (devices?.includes(device.device) ?? true)
  );
}
