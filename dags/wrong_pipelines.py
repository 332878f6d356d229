"""Show wrong pipeline files in Airflow as the import error of this file, which has no Dag.

Were it raised beside the Dags, Airflow would stop all of them.
"""

from sluice.orchestration.dag import require_pipelines

require_pipelines()
