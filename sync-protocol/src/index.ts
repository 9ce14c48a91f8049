export {
  decodeDownBody,
  decodeMessage,
  decodeUpBody,
  encodeBody,
  encodeMessage,
  opBytes,
  opsBytesMax,
} from './codec.ts';
export {
  createExchangeHandler,
  type ExchangeHandler,
  type ExchangeHandlerConfig,
  exchangeHandlerDefaults,
  serveExchanges,
} from './handle-exchange.ts';
export {
  type Answer,
  type DeviceStatus,
  type DocumentChange,
  type DownBody,
  type DownOp,
  deviceStatusSchema,
  documentFrameBytesMax,
  type Escalation,
  type Exchange,
  type Hint,
  type Message,
  protocolVersion,
  type Reply,
  type Telemetry,
  type UpBody,
  type UpOp,
  type WireTensor,
} from './messages.ts';
export type {
  Accepted,
  CoordinatorStore,
  CoordinatorTransport,
  DeviceStore,
  DeviceTransport,
  OpenEscalation,
  OpenOp,
  SyncPosition,
} from './ports.ts';
export { createSession, type Session, type SessionPorts } from './session.ts';
export type { Link } from './session-state.ts';
export {
  type Channel,
  type DeviceTopics,
  parseTopic,
  presencePayload,
  presenceTopicFilter,
  topicsOf,
  upTopicFilter,
} from './topics.ts';
