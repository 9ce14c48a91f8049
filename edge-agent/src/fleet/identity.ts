// The device's identity: a key that never leaves it and a certificate that lasts a while. Enrols once with the
// operator's token, renews long before the end, and goes on with what it has while nobody answers. [IDN6–IDN8]

import {
  type Backoff,
  backoffMs,
  type Clock,
  type Log,
  ok,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';

export interface Identity {
  /** PEM, as are the others. */
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Where it outlives the process. */
export interface IdentityStore {
  load(): Result<Identity | undefined>;
  /** Durable when it returns, readable by the owner alone. */
  save(identity: Identity): Result<void>;
  /** A key whose certificate is not here yet: a request that is repeated after a crash is the same request. */
  pendingKey(): Promise<Result<string>>;
  dropPendingKey(): Result<void>;
}

/** The coordinator's side, as the device sees it. */
export interface EnrolmentClient {
  enrol(token: string, device: string, key: string): Promise<Result<Identity>>;
  renew(current: Identity, device: string, key: string): Promise<Result<Identity>>;
}

export interface IdentityConfig {
  readonly device: string;
  readonly site: string;
  readonly joinToken?: string | undefined;
}

export interface IdentityPorts {
  readonly store: IdentityStore;
  readonly client: EnrolmentClient;
  /** The site of a certificate, where it can be read. */
  readonly siteOf: (certificate: string) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface IdentityKeeper {
  current(): Identity | undefined;
  /** Called with each certificate that comes from now on. At most one listener; it must not throw. */
  onObtained(listener: (identity: Identity) => void): void;
  close(): void;
}

export function tlsOf({ key, certificate, authority }: Identity): TlsMaterial {
  return { key, cert: certificate, ca: authority };
}

const retryBackoff: Backoff = { initialMs: 1_000, maxMs: 300_000 };
/** setTimeout takes no more than 2³¹ ms. */
const waitMaxMs = 86_400_000;
const renewAfterShare = 2 / 3;
/** Spread over this share of the life before that: a fleet enrolled in one day does not renew in one minute. */
const jitterShare = 1 / 10;

/** When to renew: at two thirds of the certificate's life, less a part by chance (`jitter` in [0, 1)). */
export function renewAtMs(
  { notBeforeMs, notAfterMs }: Pick<Identity, 'notBeforeMs' | 'notAfterMs'>,
  jitter: number,
): number {
  return notBeforeMs + (notAfterMs - notBeforeMs) * (renewAfterShare - jitterShare * jitter);
}

/** Fails with `storage_failed` where what is stored cannot be read. Without a token and a certificate it does nothing. */
export function openIdentity(
  { device, site, joinToken }: IdentityConfig,
  { store, client, siteOf, clock, random, log }: IdentityPorts,
): Result<IdentityKeeper> {
  const loaded = store.load();
  if (!loaded.ok) return loaded;
  let identity = loaded.value;
  let timer: Timer | undefined;
  let attempt = 0;
  let closed = false;
  let onObtained: (identity: Identity) => void = () => {};

  /** [IDN12] What is wrong would else show in the coordinator's log alone. */
  const checkSite = ({ certificate }: Identity): void => {
    const certified = siteOf(certificate);
    if (certified !== undefined && certified !== site)
      log.error(
        { certified, site },
        'certified for another site: nobody shares this one’s with us',
      );
  };

  const obtain = async (): Promise<Result<Identity>> => {
    const key = await store.pendingKey();
    if (!key.ok) return key;
    const obtained =
      identity === undefined
        ? await client.enrol(joinToken ?? '', device, key.value)
        : await client.renew(identity, device, key.value);
    if (!obtained.ok) return obtained;
    const saved = store.save(obtained.value);
    if (!saved.ok) return saved;
    const dropped = store.dropPendingKey();
    return dropped.ok ? obtained : dropped;
  };

  const keep = async (): Promise<void> => {
    const obtained = await obtain();
    if (closed) return;
    if (obtained.ok) {
      attempt = 0;
      identity = obtained.value;
      onObtained(identity);
      checkSite(identity);
      log.info({ untilMs: identity.notAfterMs }, 'certificate obtained');
      schedule(identity);
    } else {
      const { code, message } = obtained.error;
      log.warn({ code, reason: message }, 'no certificate yet');
      timer = clock.after(backoffMs(retryBackoff, attempt++, random), () => void keep());
    }
  };

  const schedule = (current: Identity): void => {
    const waitMs = renewAtMs(current, random.next()) - clock.nowMs();
    timer =
      waitMs > waitMaxMs
        ? clock.after(waitMaxMs, () => schedule(current))
        : clock.after(Math.max(0, waitMs), () => void keep());
  };

  if (identity !== undefined) {
    checkSite(identity);
    schedule(identity);
  } else if (joinToken !== undefined) void keep();
  return ok({
    current: () => identity,
    onObtained(listener) {
      onObtained = listener;
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  });
}
