/** Being written. */
import { ViewBar } from './ViewBar';

export function ComponentPage() {
  return <ViewBar />;
}
