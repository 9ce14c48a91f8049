export {
  type MqttConnection,
  type MqttConnectionConfig,
  type MqttConnectionPorts,
  openMqttConnection,
} from './connection.ts';
