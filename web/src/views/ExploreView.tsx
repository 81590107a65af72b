/** Being written. */
import { ViewBar } from './ViewBar';

export function ExploreView() {
  return <ViewBar />;
}
