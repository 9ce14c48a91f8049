// Both ends of a pipe in memory. `fate` decides, message by message, how it fails: a list of delays, one for each
// copy that arrives. [] loses it, [5, 90] delivers it twice, and unequal delays reorder.

import { type Clock, err, failure, ok } from '@skerry/shared';
import type { CoordinatorTransport, DeviceTransport } from '../ports.ts';

/** Changes bytes on their way. */
export type Damage = (message: Uint8Array) => Uint8Array;
export type Fate = (device: string, direction: 'up' | 'down', bytes: number) => readonly number[];

export interface MemoryPipe {
  /** A device's end; a second one for the same device replaces the first, as a restarted process does. */
  connect(device: string): DeviceTransport;
  /** The coordinator's end; a second one replaces the first. */
  listen(): CoordinatorTransport;
  /** Takes a device's link away, or gives it back; both ends are told. */
  setLink(device: string, up: boolean): void;
}

interface DeviceEnd {
  readonly message?: (message: Uint8Array) => void;
  readonly connection?: (connected: boolean) => void;
}

interface CoordinatorEnd {
  readonly message?: (device: string, message: Uint8Array) => void;
  readonly presence?: (device: string, online: boolean) => void;
}

export function createMemoryPipe(
  clock: Clock,
  fate: Fate = () => [0],
  damage: Damage = (message) => message,
): MemoryPipe {
  const deviceEnds = new Map<string, DeviceEnd>();
  const cut = new Set<string>();
  let coordinatorEnd: CoordinatorEnd = {};

  const carry = (
    device: string,
    direction: 'up' | 'down',
    message: Uint8Array,
    deliver: (copy: Uint8Array) => void,
  ): void => {
    for (const delayMs of fate(device, direction, message.length)) {
      const copy = damage(message.slice()); // The sender may reuse its buffer.
      clock.after(delayMs, () => {
        if (!cut.has(device)) deliver(copy);
      });
    }
  };

  return {
    connect(device) {
      let end: DeviceEnd = {};
      const isCurrent = (): boolean => deviceEnds.get(device) === end;
      const update = (more: Partial<DeviceEnd>): void => {
        if (!isCurrent()) return;
        end = { ...end, ...more };
        deviceEnds.set(device, end);
      };
      const connected = (): boolean => isCurrent() && !cut.has(device);
      deviceEnds.set(device, end);
      if (connected()) coordinatorEnd.presence?.(device, true);
      return {
        async send(message) {
          if (!connected()) return err(failure('unavailable', 'the link is down'));
          carry(device, 'up', message, (copy) => coordinatorEnd.message?.(device, copy));
          return ok(undefined);
        },
        connected,
        onMessage: (message) => update({ message }),
        onConnection: (connection) => update({ connection }),
        async close() {
          if (!isCurrent()) return;
          deviceEnds.delete(device);
          coordinatorEnd.presence?.(device, false);
        },
      };
    },

    listen() {
      let end: CoordinatorEnd = {};
      const update = (more: Partial<CoordinatorEnd>): void => {
        if (coordinatorEnd !== end) return;
        end = { ...end, ...more };
        coordinatorEnd = end;
      };
      coordinatorEnd = end;
      return {
        onMessage: (message) => update({ message }),
        onPresence: (presence) => update({ presence }),
        async send(device, message) {
          if (coordinatorEnd !== end) return err(failure('unavailable', 'closed'));
          carry(device, 'down', message, (copy) => deviceEnds.get(device)?.message?.(copy));
          return ok(undefined);
        },
        async close() {
          if (coordinatorEnd === end) coordinatorEnd = {};
        },
      };
    },

    setLink(device, up) {
      if (up !== cut.has(device)) return;
      if (up) cut.delete(device);
      else cut.add(device);
      deviceEnds.get(device)?.connection?.(up);
      coordinatorEnd.presence?.(device, up);
    },
  };
}
