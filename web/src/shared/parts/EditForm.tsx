/** The form of an edit, fetched when it is first opened: the page starts without it. */
import { lazy, Suspense } from 'react';
import type { EditFormProps } from './EditFields';

const Fields = lazy(async () => ({ default: (await import('./EditFields')).EditFields }));

export function EditForm(props: EditFormProps) {
  return (
    <Suspense fallback={null}>
      <Fields {...props} />
    </Suspense>
  );
}
