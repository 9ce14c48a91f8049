// The next Exchange of a device, from what its store holds. Pure: the same store gives the same message. [EXC1, EXC2]

import { exchangeOpsMax } from '@skerry/shared';
import { opsBytesMax } from './codec.ts';
import { type Exchange, protocolVersion } from './messages.ts';
import type { DeviceStore } from './ports.ts';

export function buildExchange(
  store: Pick<DeviceStore, 'position' | 'unacknowledged'>,
  exchangeId: string,
): Exchange {
  const { device, epoch, cursor, ops: held } = store.position();
  const ops = [...store.unacknowledged(exchangeOpsMax, opsBytesMax)];
  const more = ops.length < held;
  return { v: protocolVersion, type: 'exchange', device, epoch, exchangeId, cursor, ops, more };
}
