// Who holds which collection, said in devices' twins: a turn looks at the fleet and what is signed, and writes where a twin
// says something else. So a device that comes, or comes to another site, hears of it without anybody's doing.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  canonicalJson,
  collectionsKey,
  type Subscription,
} from '@skerry/sync-protocol/collections';
import { twinOf } from '@skerry/sync-protocol/documents';
import type { Documents } from '../documents/documents.ts';
import type { DeviceDirectory } from '../update/rollouts/index.ts';
import { audiencesOf } from './audiences.ts';
import type { Collections } from './collections.ts';
import { asksForSite, subscriptionsOf } from './plan-holders.ts';

export interface TellHoldersPorts {
  readonly collections: Pick<Collections, 'offered' | 'hasEnded'>;
  readonly devices: DeviceDirectory;
  readonly documents: Pick<Documents, 'read' | 'patch'>;
  /** The site of a device's certificate, where devices have one. */
  readonly siteOf?: ((device: string) => Promise<Result<string | undefined>>) | undefined;
  /** The repository's metadata, for who reaches no HTTP. */
  readonly metadata: () => Promise<Result<BlobRef>>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Holders {
  turn(): Promise<Result<void>>;
  /** By collection, what a device shall hold, as of the last turn. */
  heldBy(device: string): Readonly<Record<string, Subscription>>;
  /** Devices that shall hold it. */
  of(collection: string): readonly string[];
  /** As whom a device sees blobs of collections. [TRV12] */
  audiencesOf(device: string): readonly string[];
}

const devicesPerPage = 1_000;
/** Twins that are read or written in a turn; the next turn goes on. */
const toldPerTurnMax = 200;
/** A certificate's site is asked of a table, a device at a time. */
const siteGoodForMs = 30_000;

type Wanted = Readonly<Record<string, Subscription>>;

export function createHolders(ports: TellHoldersPorts): Holders {
  const { collections, devices, documents } = ports;
  let wanted: ReadonlyMap<string, Wanted> = new Map();
  /** By device, what its twin says as far as this process knows. */
  const told = new Map<string, string>();

  const sites = new Map<string, { readonly site: string; readonly atMs: number }>();

  /** Where devices have certificates, one without a site of its own is at none. */
  const certifiedSite = async (device: string): Promise<Result<string | undefined>> => {
    if (ports.siteOf === undefined) return ok(undefined);
    const known = sites.get(device);
    const atMs = ports.clock.monotonicMs();
    if (known !== undefined && atMs - known.atMs < siteGoodForMs) return ok(known.site);
    const asked = await ports.siteOf(device);
    if (!asked.ok) return asked;
    const site = asked.value ?? '';
    sites.set(device, { site, atMs });
    return ok(site);
  };

  const look = async (): Promise<Result<ReadonlyMap<string, Wanted>>> => {
    const offered = await collections.offered();
    if (!offered.ok) return offered;
    const subscribed = offered.value.filter(({ subscriptions }) => subscriptions.length > 0);
    const asks = subscribed.some(({ subscriptions }) =>
      subscriptions.some(({ selection }) => asksForSite(selection)),
    );
    const found = new Map<string, Wanted>();
    for (let after: string | undefined; ; ) {
      const page = await devices.list(devicesPerPage, after);
      if (!page.ok) return page;
      for (const device of page.value) {
        const site = asks ? await certifiedSite(device.device) : ok(undefined);
        if (!site.ok) return site;
        found.set(device.device, subscriptionsOf(device, site.value, subscribed));
      }
      after = page.value.at(-1)?.device;
      if (page.value.length < devicesPerPage) return ok(found);
    }
  };

  const tell = async (device: string, shall: Wanted): Promise<Result<void>> => {
    const twin = twinOf(device);
    const view = await documents.read(twin);
    if (!view.ok) return view;
    const patch = patchOf(view.value.value, shall);
    if (Object.keys(patch).length === 0) return ok(undefined);
    const says = Object.values(patch).some((each) => each !== null);
    const pack = says ? await ports.metadata() : undefined;
    const metadata =
      pack?.ok === true ? { metadata: pack.value.digest, metadataBytes: pack.value.bytes } : {};
    const full = Object.entries(patch).map(([name, each]) => [
      name,
      each && { ...each, ...metadata },
    ]);
    const change = { desired: { [collectionsKey]: Object.fromEntries(full) } };
    const patched = await documents.patch(twin, change);
    return patched.ok ? ok(undefined) : patched;
  };

  return {
    async turn() {
      const looked = await look();
      if (!looked.ok) return looked;
      wanted = looked.value;
      let left = toldPerTurnMax;
      for (const [device, shall] of wanted) {
        const text = canonicalJson(shall);
        if (told.get(device) === text) continue;
        const isNothing = Object.keys(shall).length === 0;
        if (!isNothing || told.has(device) || collections.hasEnded()) {
          if (left-- === 0) break;
          const done = await tell(device, shall);
          if (!done.ok) {
            // One twin that cannot be written must not keep the others from theirs.
            ports.log.error({ device, code: done.error.code }, done.error.message);
            continue;
          }
        }
        told.set(device, text);
      }
      return ok(undefined);
    },
    heldBy: (device) => wanted.get(device) ?? {},
    of: (collection) =>
      [...wanted].flatMap(([device, shall]) => (Object.hasOwn(shall, collection) ? [device] : [])),
    audiencesOf: (device) =>
      Object.entries(wanted.get(device) ?? {}).flatMap(([collection, { readers }]) =>
        audiencesOf(collection, readers),
      ),
  };
}

/** A merge patch of the twin's collections; metadata that is newer is no news. */
function patchOf(
  twin: Readonly<Record<string, unknown>>,
  shall: Wanted,
): Readonly<Record<string, Subscription | null>> {
  const desired = twin['desired'] as Readonly<Record<string, unknown>> | undefined;
  const says = (desired?.[collectionsKey] ?? {}) as Readonly<Record<string, Subscription>>;
  const differs = Object.entries(shall).filter(([name, each]) => {
    const { metadata: _, metadataBytes: __, ...there } = says[name] ?? ({} as Subscription);
    return canonicalJson(there) !== canonicalJson(each);
  });
  const over = Object.keys(says).filter((name) => !Object.hasOwn(shall, name));
  return {
    ...Object.fromEntries(differs),
    ...Object.fromEntries(over.map((name) => [name, null])),
  };
}
