// Whether a document's op has left an outbox.

import { exchangeOpsMax } from '@skerry/shared';
import { type DeviceStore, opsBytesMax } from '@skerry/sync-protocol';

/** Looks at the few that one Exchange carries: what lies behind them has not been acknowledged either. */
export const acknowledgedBy =
  (store: Pick<DeviceStore, 'unacknowledged'>) =>
  (seq: number): boolean =>
    !store
      .unacknowledged(exchangeOpsMax, opsBytesMax)
      .some((op) => op.body.kind === 'document-change' && op.seq <= seq);
