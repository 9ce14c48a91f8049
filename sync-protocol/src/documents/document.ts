// What a document is: its name, and who may write what in it. A document is state that several write, where an op is a
// fact that one has said. Three scopes: a device's twin, what a site's devices share, the fleet's policy.

import { nameSchema } from '@skerry/shared';
import { z } from 'zod';

export const documentScopes = ['device', 'site', 'fleet'] as const;
export type DocumentScope = (typeof documentScopes)[number];

/** `device/{device}`, `site/{site}` or `fleet/policy`. */
export const documentIdSchema = z.string().refine((id) => parseDocumentId(id) !== undefined, {
  message: 'expected device/{name}, site/{name} or fleet/policy',
});

export const fleetDocument = 'fleet/policy';
export const twinOf = (device: string): string => `device/${device}`;
export const siteDocument = (site: string): string => `site/${site}`;

export interface DocumentId {
  readonly scope: DocumentScope;
  readonly name: string;
}

export function parseDocumentId(id: string): DocumentId | undefined {
  const [scope, name, ...rest] = id.split('/');
  const known = documentScopes.find((each) => each === scope);
  if (known === undefined || rest.length > 0 || !nameSchema.safeParse(name).success) return;
  if (known === 'fleet' && id !== fleetDocument) return;
  return { scope: known, name: name as string };
}

/** The root keys that a writer may touch; `all` where any. A device's twin has two writers, each with its own half. */
export type Writable = 'all' | readonly string[];

export function writableBy(writer: 'cloud' | 'device', scope: DocumentScope): Writable {
  if (scope === 'device') return writer === 'cloud' ? ['desired'] : ['reported'];
  if (scope === 'fleet') return writer === 'cloud' ? 'all' : [];
  return 'all';
}
