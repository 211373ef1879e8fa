/** The active sessions of a repository, and ending those whose process is gone for good. */
import type {
  EndSessionParams,
  EndSessionResult,
  ListSessionsParams,
  ListSessionsResult,
} from '../../schema/sessions.ts';
import type { OperationContext } from '../../support/progress.ts';
import { withRepository } from '../with.ts';

export async function listSessions(params: ListSessionsParams, context: OperationContext): Promise<ListSessionsResult> {
  return withRepository(params, context, async (repository) => ({ sessions: await repository.sessions() }));
}

/** @throws SESSION_NOT_FOUND, SESSION_IN_USE */
export async function endSession(params: EndSessionParams, context: OperationContext): Promise<EndSessionResult> {
  return withRepository(params, context, async (repository) => ({
    session: await repository.endSession(params.session),
  }));
}
