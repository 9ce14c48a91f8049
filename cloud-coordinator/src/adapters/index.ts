// The door to the database alone: a process that is begun and killed some hundred times loads nothing else.

export { createGroupCommit } from './group-commit.ts';
export { openSqlite } from './open-sqlite.ts';
export { createSqlCoordinatorStore } from './sql-coordinator-store.ts';
export { createSqlEventLog } from './sql-event-log.ts';
export { createSqlTaskStore } from './sql-task-store.ts';
