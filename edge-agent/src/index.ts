export { createHttpDeviceTransport } from './adapters/http-transport.ts';
export { createMqttDeviceTransport } from './adapters/mqtt-transport.ts';
export { packTensor } from './adapters/pack-tensor.ts';
export { openDatabase, type SqliteDatabase } from './adapters/sqlite-database.ts';
export { createSqliteDeviceStore } from './adapters/sqlite-device-store.ts';
export { createSqliteDocumentStore } from './adapters/sqlite-document-store.ts';
export { createSqliteEscalationStore } from './adapters/sqlite-escalation-store.ts';
export { type Agent, type AgentPorts, createAgent } from './agent.ts';
export { type AgentConfig, agentConfigSchema } from './config.ts';
