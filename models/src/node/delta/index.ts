// The door for who makes or applies a delta on its own thread, as benches and tests do: it brings a reader of protocol
// buffers along, which a process that serves does not need.

export { applyDelta } from './apply-delta.ts';
export { encodeDelta } from './encode-delta.ts';
