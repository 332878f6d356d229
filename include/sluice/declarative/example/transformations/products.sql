-- Bronze: the same in SQL.
CREATE STREAMING TABLE products AS
SELECT *
FROM STREAM read_files(
  '${folder}/landing/products',
  format => 'csv',
  header => true,
  inferColumnTypes => true,
  schemaLocation => '${folder}/lake/schemas/products'
);

-- Silver: computed from both, whole, in every run.
CREATE MATERIALIZED VIEW sales AS
SELECT p.name, sum(o.quantity) AS sold, sum(o.quantity * p.price) AS revenue
FROM orders o JOIN products p ON o.product_id = p.id
GROUP BY p.name;
