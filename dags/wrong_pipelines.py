"""Show wrong pipeline files in Airflow as an import error of this file, without Dags.

Were it raised beside the Dags, Airflow would stop all of them.
"""

from sluice.orchestration.dag import require_pipelines

require_pipelines()
