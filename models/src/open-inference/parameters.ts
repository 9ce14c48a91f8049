// The protocol's parameters: names with a string, a number or a boolean each.

import { z } from 'zod';

export const parametersSchema = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()]),
);

export type Parameters = Readonly<z.infer<typeof parametersSchema>>;
