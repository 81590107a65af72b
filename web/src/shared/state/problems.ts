/** The errors that stand, so that the control at fault can show its own. */
import { create } from 'zustand';
import type { ApiError } from '../api/client';

export const useErrors = create<{ errors: ReadonlyArray<ApiError> }>(() => ({ errors: [] }));

/** The first problem that `read` finds among the errors that stand. */
export function useProblems(read: (error: ApiError) => string | null): string | null {
  return useErrors((state) => {
    for (const error of state.errors) {
      const problem = read(error);
      if (problem !== null) return problem;
    }
    return null;
  });
}
