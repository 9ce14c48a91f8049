// What may be asked for behind a question mark, of devices and of risks.

import { nameSchema } from '@skerry/shared';
import { z } from 'zod';

/** A page of devices: by name, from the one after `after` on. */
export const pageSchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
  after: nameSchema.optional(),
});

/** Of the fleet where no device is named. */
export const riskQuerySchema = z.strictObject({ device: nameSchema.optional() });
