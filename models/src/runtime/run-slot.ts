// One run in memory that the main thread and a worker share. Copying a tensor into it and ringing the doorbell, which
// wakes the worker without its event loop, saves a quarter of what a message there and back costs (docs/decisions/0054).
//
//   control   [doorbell, state, request id, session, then of each tensor: datatype, bytes, rank, eight dimensions]
//   data      the tensors' bytes, each aligned to eight
//
// The main thread turns `empty` to `asked`, the worker `asked` to `taken`, and the main thread, once a message has told
// it of the answer, `taken` to `empty`: whose turn it is not touches nothing. Names do not travel: both sides know them.

import { assert, defined, tensorRankMax } from '@skerry/shared/plain';
import { datatypes, type Tensor, type TensorMap, tensorBytes, tensorFromBytes } from '../tensor.ts';

const slotState = { empty: 0, asked: 1, taken: 2 } as const;

const at = { doorbell: 0, state: 1, id: 2, session: 3, records: 4 } as const;
const recordWords = 3 + tensorRankMax;
const tensorsMax = 16;
const controlWords = at.records + tensorsMax * recordWords;
/** An image of 512 × 512 in three colours, as bytes, and what a model says of it. */
const slotBytesMax = 1_048_576;
const alignment = 8;

/** What an Int32 of the control words holds. */
const idMax = 0x7fffffff;
/** Request ids begin anew at 1: long before, nothing waits for the first of them any more. */
export const idAfter = (id: number): number => (id >= idMax ? 1 : id + 1);

/** What both threads hold. */
export interface SlotMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

export const createSlotMemory = (): SlotMemory => ({
  control: new SharedArrayBuffer(controlWords * Int32Array.BYTES_PER_ELEMENT),
  data: new SharedArrayBuffer(slotBytesMax),
});

/** The main thread's side. */
export interface AskingSlot {
  /** False where the slot is in use, or the tensors are not of these names, or do not fit: then send a message. */
  ask(id: number, session: number, names: readonly string[], feeds: TensorMap): boolean;
  /** What the worker left there; the slot is free again. */
  take(names: readonly string[]): TensorMap;
  /** The slot's run was answered by message. */
  free(): void;
  /** Wakes the worker: a message was posted. */
  ring(): void;
}

/** The worker's side. */
export interface AnsweringSlot {
  /** The run that is asked for, if one is; it is told once. */
  asked(): { readonly id: number; readonly session: number } | undefined;
  feeds(names: readonly string[]): TensorMap;
  /** False where the results do not fit: then send a message. */
  answer(names: readonly string[], results: TensorMap): boolean;
  /** How often the bell has rung; `wait` returns once it has rung more often than that. */
  rings(): number;
  wait(rings: number): void;
}

export function askingSlot(memory: SlotMemory): AskingSlot {
  const { control, write, read } = open(memory);
  const ring = (): void => {
    Atomics.add(control, at.doorbell, 1);
    Atomics.notify(control, at.doorbell);
  };
  const free = (): void => void Atomics.store(control, at.state, slotState.empty);
  return {
    ask(id, session, names, feeds) {
      if (Atomics.load(control, at.state) !== slotState.empty || !write(names, feeds)) return false;
      control[at.id] = id;
      control[at.session] = session;
      Atomics.store(control, at.state, slotState.asked);
      ring();
      return true;
    },
    take(names) {
      const results = read(names);
      free();
      return results;
    },
    free,
    ring,
  };
}

export function answeringSlot(memory: SlotMemory): AnsweringSlot {
  const { control, write, read } = open(memory);
  return {
    asked() {
      if (Atomics.load(control, at.state) !== slotState.asked) return undefined;
      Atomics.store(control, at.state, slotState.taken);
      return { id: control[at.id] as number, session: control[at.session] as number };
    },
    feeds: read,
    answer: write,
    rings: () => Atomics.load(control, at.doorbell),
    wait: (rings) => void Atomics.wait(control, at.doorbell, rings),
  };
}

function open(memory: SlotMemory) {
  const control = new Int32Array(memory.control);
  const bytes = new Uint8Array(memory.data);
  return {
    control,
    write(names: readonly string[], tensors: TensorMap): boolean {
      if (names.length > tensorsMax) return false;
      let offset = 0;
      let record: number = at.records;
      for (const name of names) {
        const tensor = tensors[name];
        if (tensor === undefined || tensor.shape.length > tensorRankMax) return false;
        const { byteLength } = tensor.data;
        if (offset + byteLength > slotBytesMax) return false;
        bytes.set(tensorBytes(tensor), offset);
        control[record] = datatypes.indexOf(tensor.datatype);
        control[record + 1] = byteLength;
        control[record + 2] = tensor.shape.length;
        control.set(tensor.shape, record + 3);
        offset = aligned(offset + byteLength);
        record += recordWords;
      }
      return true;
    },
    read(names: readonly string[]): TensorMap {
      const tensors: Record<string, Tensor> = {};
      let offset = 0;
      let record: number = at.records;
      for (const name of names) {
        const datatype = control[record] as number;
        const byteLength = control[record + 1] as number;
        const rank = control[record + 2] as number;
        const shape: number[] = [];
        for (let i = 0; i < rank; i++) shape.push(control[record + 3 + i] as number);
        // A copy, and of memory that is not shared: what is read here outlives the slot's next run.
        const own = bytes.slice(offset, offset + byteLength);
        const tensor = tensorFromBytes(defined(datatypes[datatype], 'a datatype'), shape, own);
        assert(tensor.ok, 'the slot holds what was written');
        tensors[name] = tensor.value;
        offset = aligned(offset + byteLength);
        record += recordWords;
      }
      return tensors;
    },
  };
}

const aligned = (offset: number): number => Math.ceil(offset / alignment) * alignment;
