// The events of one model, folded: its versions, its aliases. Pure.

import { type Digest, err, failure, ok, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { Description, ModelEvent, VersionState } from './model-event.ts';

export interface ModelVersion {
  readonly version: string;
  /** Its manifest, whose digest names the bundle. */
  readonly manifest: BlobRef;
  readonly description: Description;
  readonly publishedMs: number;
  readonly by: string;
  readonly state: VersionState;
}

export interface ModelState {
  readonly versions: ReadonlyMap<string, ModelVersion>;
  readonly aliases: ReadonlyMap<string, string>;
  /** Of the last event's envelope. */
  readonly last?: Digest;
  readonly events: number;
}

export const noEvents: ModelState = { versions: new Map(), aliases: new Map(), events: 0 };

/** Fails where the event cannot follow: what a log holds has been checked so. */
export function foldModel(
  model: string,
  state: ModelState,
  event: ModelEvent,
  digest: Digest,
): Result<ModelState> {
  if (event.model !== model)
    return err(failure('storage_failed', `an event of ${event.model} in the log of ${model}`));
  if (event.previous !== state.last)
    return err(
      failure('storage_failed', `event ${state.events} does not follow the one before it`),
    );
  const next = { ...state, last: digest, events: state.events + 1 };
  switch (event.kind) {
    case 'published': {
      const { version, manifest, description, atMs: publishedMs, by } = event;
      const held = state.versions.get(version);
      if (held !== undefined)
        return err(
          failure('invalid_argument', `version ${version} is ${held.manifest.digest} for ever`),
        );
      const published = {
        version,
        manifest,
        description,
        publishedMs,
        by,
        state: 'active' as const,
      };
      return ok({ ...next, versions: new Map(state.versions).set(version, published) });
    }
    case 'alias-moved': {
      const aliases = new Map(state.aliases);
      if (event.version === undefined) {
        if (!aliases.delete(event.alias))
          return err(failure('not_found', `no alias ${event.alias}`));
        return ok({ ...next, aliases });
      }
      const held = state.versions.get(event.version);
      if (held === undefined) return err(noVersion(event.version));
      if (held.state !== 'active')
        return err(failure('invalid_argument', `version ${event.version} is ${held.state}`));
      return ok({ ...next, aliases: aliases.set(event.alias, event.version) });
    }
    case 'state-changed': {
      const held = state.versions.get(event.version);
      if (held === undefined) return err(noVersion(event.version));
      const barred = whyNot(state, held, event.state);
      if (barred !== undefined) return err(failure('invalid_argument', barred));
      const changed = { ...held, state: event.state };
      return ok({ ...next, versions: new Map(state.versions).set(event.version, changed) });
    }
  }
}

function whyNot(
  { aliases }: ModelState,
  { version, state }: ModelVersion,
  wanted: VersionState,
): string | undefined {
  if (state === wanted) return `version ${version} is ${state} already`;
  if (state === 'decommissioned') return `version ${version} is decommissioned, and stays so`;
  const alias = [...aliases].find(([, to]) => to === version)?.[0];
  return wanted === 'active' || alias === undefined
    ? undefined
    : `alias ${alias} points to version ${version}: move it first`;
}

const noVersion = (version: string) => failure('model_not_found', `no version ${version}`);
