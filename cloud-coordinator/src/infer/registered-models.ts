// Versions that devices run and that this coordinator was not configured with: updates brought them there. Of each variant
// its cloud half is opened when the first escalation asks for it, from what the registry has; it computes here, whatever
// upstreams there are, for they know a model by its name and not by its version. Few are open at once: the one asked
// longest ago makes room for one that has opened, and comes back when it is asked.

import type { Bundle } from '@skerry/models/node';
import {
  type Clock,
  err,
  type Failure,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
  sleep,
} from '@skerry/shared';
import type { Escalation } from '@skerry/sync-protocol';
import type { CloudHalf } from './cloud-half.ts';
import type { HostedModel } from './hosted-model.ts';

export type VariantName = Pick<Escalation, 'model' | 'version' | 'variant'>;

/**
 * The cloud's stages of what a device runs, each byte checked. Fails with `model_not_found` or `digest_mismatch` where
 * there is no such thing.
 */
export type ReadRegistered = (name: VariantName) => Promise<Result<Bundle>>;

export interface RegisteredModels {
  /** Fails as ReadRegistered does, with `invalid_bundle` where the cloud has no stage of it, and as opening it does. */
  half(name: VariantName): Promise<Result<CloudHalf>>;
  /** Those that are open. */
  halves(): readonly CloudHalf[];
  close(): Promise<void>;
}

export interface RegisteredModelsPorts {
  readonly read: ReadRegistered;
  readonly open: (bundle: Bundle) => Promise<Result<HostedModel>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of variants. Their sessions share the memory for models as well; what this bounds is the bytes that they come from. */
export const registeredModelsMax = 8;
/** At once, beside those that are open. */
const openingsMax = registeredModelsMax;
/** How long one that makes room may take to answer what it was asked before. */
const retireMsMax = 30_000;

interface Seat {
  readonly opening: Promise<Result<HostedModel>>;
  opened?: HostedModel;
}

export function createRegisteredModels({
  read,
  open,
  clock,
  log,
}: RegisteredModelsPorts): RegisteredModels {
  /** By keyOf; the one asked longest ago comes first. */
  const seats = new Map<string, Seat>();
  const leaving = new Set<Promise<void>>();
  let closed = false;

  const openVariant = async (name: VariantName): Promise<Result<HostedModel>> => {
    const { model, version, variant } = name;
    const load = async (): Promise<Result<HostedModel>> => {
      const bundle = await read(name);
      return bundle.ok ? open(bundle.value) : bundle;
    };
    // What meets a bug in here fails alone: it would meet it again after every restart.
    const opened = await load().catch((thrown) => err(failure('internal', messageOf(thrown))));
    if (opened.ok) log.info({ model, version, variant }, 'a version of the registry is served');
    else log.error({ model, version, variant, code: opened.error.code }, opened.error.message);
    return opened;
  };

  /** For `opened`, which stays. Who asks for what nobody has pushes nobody out. */
  const makeRoom = (opened: Seat): void => {
    const open = [...seats].filter(([, seat]) => seat.opened !== undefined);
    const others = open.filter(([, seat]) => seat !== opened);
    for (const [key, oldest] of others.slice(0, Math.max(0, open.length - registeredModelsMax))) {
      seats.delete(key);
      const gone = retire(oldest).finally(() => leaving.delete(gone));
      leaving.add(gone);
    }
  };

  const enter = (name: VariantName): Seat | undefined => {
    const openings = [...seats.values()].filter(({ opened }) => opened === undefined).length;
    if (openings >= openingsMax) return undefined;
    const key = keyOf(name);
    const opening = openVariant(name);
    const seat: Seat = { opening };
    seats.set(key, seat);
    void opening.then((opened) => {
      if (closed) return;
      // What could not be opened is tried again when it is asked again.
      if (!opened.ok) seats.delete(key);
      else {
        seat.opened = opened.value;
        makeRoom(seat);
      }
    });
    return seat;
  };

  const retire = async ({ opening }: Seat): Promise<void> => {
    const opened = await opening;
    if (!opened.ok) return;
    const waiting = new AbortController();
    if (!closed)
      await Promise.race([opened.value.idle(), sleep(clock, retireMsMax, waiting.signal)]);
    waiting.abort();
    await opened.value.close();
  };

  return {
    async half(name) {
      if (closed) return err(closing);
      const key = keyOf(name);
      const seat = seats.get(key) ?? enter(name);
      if (seat === undefined) return err(busy);
      if (seats.delete(key)) seats.set(key, seat);
      const opened = await seat.opening;
      if (!opened.ok) return opened;
      const { half } = opened.value;
      if (half === undefined || half.model !== name.model || half.version !== name.version)
        return err(noHalf(name));
      return ok(half);
    },
    halves: () => [...seats.values()].flatMap(({ opened }) => opened?.half ?? []),
    async close() {
      closed = true;
      await Promise.all([...leaving, ...[...seats.values()].map(retire)]);
      seats.clear();
    },
  };
}

/** A variant's digest is of its bytes alone: a version that changes only calibration or labels has the same. */
const keyOf = ({ model, version, variant }: VariantName): string =>
  `${model}@${version}/${variant}`;

const busy = failure('overloaded', `${openingsMax} versions of the registry are being opened`);

const closing = failure('unavailable', 'the coordinator closes');

const noHalf = ({ model, version, variant }: VariantName): Failure =>
  failure('model_not_found', `no cloud stage of ${model}@${version}, variant ${variant}`);
